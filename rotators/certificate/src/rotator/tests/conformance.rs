//! The contract's kit: the rotator keeps every promise, at a service that reads its files at each handshake, so that
//! what it presents and where the link leads never differ.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use keywheel_contract::{
    Material, Rotator,
    kit::{Can, Capabilities, Outcome, Property, Rig, RigError, Stage, SystemRandom, check},
};
use serde_json::json;
use tempfile::TempDir;

use super::{
    hooks::{Act, TestHooks},
    listener::{Listener, Manner},
    world::authority,
};
use crate::{
    host::{InstallRoot, InstallRules},
    probe::{ProbeAddress, handshake},
    rotator::{CertificateRotator, Host},
    x509::{Authority, Certificate, KeyKind, LeafRequest, OnClamp, PrivateKey, Profile, SubjectName},
};

struct CertificateRig {
    root: TempDir,
    hooks: Arc<TestHooks>,
    authority: Authority,
    rotator: CertificateRotator,
    services: Mutex<BTreeMap<String, Listener>>,
}

/// The kit rotates now, and so must the first version be valid now.
#[expect(clippy::disallowed_methods, reason = "the kit's time is the running one")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

impl CertificateRig {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let hooks = Arc::new(TestHooks::default());
        let install = InstallRoot::new("web", root.path(), InstallRules::default());
        let roots = BTreeMap::from([("web".to_owned(), install)]);
        let rotator = CertificateRotator::new(Host { roots, hooks: Arc::clone(&hooks) as Arc<_>, acme: None });
        Self { root, hooks, authority: authority(now()), rotator, services: Mutex::default() }
    }

    fn issue(&self) -> Material {
        let key = PrivateKey::generate(KeyKind::P256).expect("a key");
        let request = LeafRequest {
            common_name: None,
            organisation: None,
            names: vec![SubjectName::parse("shop.test").expect("a name")],
            profile: Profile::Server,
            lifetime: Duration::from_hours(2160),
            on_clamp: OnClamp::Refuse,
            crl_url: None,
        };
        self.authority.issue(&request, &key, &SystemRandom, now()).expect("issued").to_material(Some(&key))
    }

    fn service(&self, stage: &Stage) -> Listener {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        services[stage.target.settings["install"].as_str().expect("a place")].clone()
    }
}

#[async_trait]
impl Rig for CertificateRig {
    fn rotator(&self) -> &dyn Rotator {
        &self.rotator
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            lose_reply: Can::No("nothing answers that could be lost: files and hooks are this host's own"),
            hold: Can::Yes,
            freeze: Can::Yes,
            refuse: Can::Yes,
            accept_anything: Can::No("a certificate is looked at, and lets nobody in"),
        }
    }

    async fn fresh(&self) -> Result<Stage, RigError> {
        let number = self.services.lock().unwrap_or_else(PoisonError::into_inner).len();
        let (place, current) = (format!("web/shop-{number}"), self.issue());
        let files = self.root.path().join(format!("shop-{number}"));
        let service = Listener::start(files.join("current"), Manner::Always).await;
        let target = json!({
            "install": place, "check": "check", "reload": "reload",
            "probes": [{ "address": service.address().to_string(), "server_name": "shop.test" }],
        });
        self.services.lock().unwrap_or_else(PoisonError::into_inner).insert(place, service);
        let stage = Stage::new(target, json!({ "names": ["shop.test"] }), current);
        let stage = stage.with_admin(self.authority.to_material());
        // What is in use was brought by an earlier rotation.
        bring(&self.rotator, &stage).await?;
        Ok(stage)
    }

    async fn logs_in(&self, stage: &Stage, credential: &Material) -> Result<bool, RigError> {
        let address = self.service(stage).address().to_string();
        let address = ProbeAddress::parse(&address, Some("shop.test"), None).expect("an address");
        let sightings = handshake(&address, Duration::from_secs(5)).await;
        let presented = sightings[0].seen.as_ref().map_err(|error| RigError(error.to_string()))?;
        let leaf = Certificate::from_pem(credential.text("certificate").unwrap_or_default());
        Ok(leaf.is_ok_and(|leaf| leaf.der() == presented.leaf_der))
    }

    async fn disturbed(&self, stage: &Stage) -> Result<u64, RigError> {
        let failed = u64::try_from(self.hooks.failed()).unwrap_or(u64::MAX);
        Ok(self.service(stage).frozen() + self.hooks.hung() + failed)
    }

    async fn hold(&self, _stage: &Stage) -> Result<(), RigError> {
        self.hooks.next("check", Act::Hang);
        Ok(())
    }

    async fn let_go(&self, _stage: &Stage) -> Result<(), RigError> {
        // What hung was dropped with its caller; there is nothing that could go on.
        Ok(())
    }

    async fn freeze(&self, stage: &Stage) -> Result<(), RigError> {
        self.service(stage).freeze(true);
        Ok(())
    }

    async fn thaw(&self, stage: &Stage) -> Result<(), RigError> {
        self.service(stage).freeze(false);
        Ok(())
    }

    async fn refuse_next(&self, _stage: &Stage) -> Result<(), RigError> {
        self.hooks.next("check", Act::Fail);
        Ok(())
    }

    async fn count(&self, stage: &Stage) -> Result<Option<usize>, RigError> {
        let place = stage.target.settings["install"].as_str().expect("a place");
        let versions = self.root.path().join(place.trim_start_matches("web/")).join("versions");
        let entries = std::fs::read_dir(versions).map_err(|error| RigError(error.to_string()))?;
        Ok(Some(entries.count()))
    }

    fn public_fields(&self) -> &[&'static str] {
        &["certificate", "chain", "ca", "serial", "not_before", "not_after"]
    }

    fn forge(&self, _like: &Material) -> Material {
        self.issue()
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn grace(&self) -> Duration {
        Duration::from_millis(100)
    }
}

async fn bring(rotator: &CertificateRotator, stage: &Stage) -> Result<(), RigError> {
    use keywheel_contract::{Cx, NotKept, RotationId, Work};
    let work = Work {
        rotation: RotationId::mint(DateTime::UNIX_EPOCH, [0; 10]),
        secret: "kit/secret".to_owned(),
        settings: stage.settings.clone(),
        current: None,
        next_due_at: None,
    };
    let cx = Cx { random: &SystemRandom, deadline: Duration::from_secs(5), now: now(), checkpoint: &NotKept };
    let applied = rotator.apply(&cx, &stage.target, &work, &stage.current).await;
    applied.map(drop).map_err(|failure| RigError(failure.to_string()))
}

/// All but two. `DeclarationIsTrue` wants the old credential to be accepted after `apply`, within the overlap; a
/// certificate goes on to be valid then, and is no longer the one that is presented, which is what this rig asks.
/// `DeadAttempt` and the others are tried as they are.
#[tokio::test]
async fn every_promise_that_can_be_tried_is_kept() {
    let rig = CertificateRig::new();
    let mut skipped = Vec::new();
    for property in Property::ALL.into_iter().filter(|property| *property != Property::DeclarationIsTrue) {
        match check(&rig, property).await {
            Outcome::Passed => {}
            Outcome::Skipped(_) => skipped.push(property),
            Outcome::Failed(violation) => panic!("{}: {violation}", property.code()),
        }
    }
    assert_eq!(skipped, [Property::NegativeControl, Property::ReplyLost]);
}
