//! A host with a root, hooks and services, an authority above a rotator, and a time of its own.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use keywheel_contract::{
    Applied, Checkpoint, Cx, Failure, Material, Observation, Prepared, RotationId, Rotator, Seen, Target, TargetId,
    Verdict, Work, kit::SystemRandom, verdict_of,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    hooks::TestHooks,
    listener::{Listener, Manner},
};
use crate::{
    host::{InstallRoot, InstallRules},
    rotator::{CertificateRotator, Host, Obtain},
    x509::{Authority, AuthorityRequest, KeyKind},
};

/// What `apply` kept on its way.
#[derive(Default)]
pub(super) struct Kept(Mutex<Vec<String>>);

impl Kept {
    pub(super) fn identities(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Checkpoint for Kept {
    async fn keep(&self, _candidate: &Material, identity: &str) -> Result<(), Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(identity.to_owned());
        Ok(())
    }
}

pub(super) struct World {
    pub(super) root: TempDir,
    pub(super) hooks: Arc<TestHooks>,
    pub(super) services: Vec<Listener>,
    pub(super) target: Target,
    pub(super) settings: Value,
    pub(super) rotator: CertificateRotator,
    pub(super) kept: Kept,
    pub(super) now: DateTime<Utc>,
    pub(super) rotations: std::cell::Cell<u8>,
}

/// An authority below a root, so that there is a chain to present.
pub(super) fn authority(now: DateTime<Utc>) -> Authority {
    let request = |name: &str| AuthorityRequest {
        common_name: name.to_owned(),
        organisation: None,
        key: KeyKind::P256,
        lifetime: Duration::from_hours(24 * 3650),
        path_length: None,
        permitted: Vec::new(),
        excluded: Vec::new(),
    };
    let root = Authority::create_root(&request("Test root"), &SystemRandom, now).expect("a root");
    root.create_intermediate(&request("Test issuer"), &SystemRandom, now - Duration::from_secs(0)).expect("an issuer")
}

impl World {
    /// A world with that many services in good order.
    pub(super) async fn with(services: usize) -> Self {
        let mut world = Self::bare(None);
        for _ in 0..services {
            world.add(Manner::WhenTold).await;
        }
        world
    }

    pub(super) fn bare(acme: Option<Arc<dyn Obtain>>) -> Self {
        let now = DateTime::from_timestamp(1_780_000_000, 0).expect("a time");
        let root = tempfile::tempdir().expect("a folder");
        let hooks = Arc::new(TestHooks::default());
        let install = InstallRoot::new("web", root.path(), InstallRules::default());
        let roots = BTreeMap::from([("web".to_owned(), install)]);
        let rotator = CertificateRotator::new(Host { roots, hooks: Arc::clone(&hooks) as Arc<_>, acme });
        let target = Target {
            id: TargetId::mint(now, [0; 10]),
            name: "shop".to_owned(),
            settings: json!({ "install": "web/shop", "check": "check", "reload": "reload", "probes": [] }),
            admins: vec![authority(now).to_material()],
        };
        let settings = json!({ "names": ["shop.test", "127.0.0.1"], "lifetime": "90d" });
        let (services, kept, rotations) = (Vec::new(), Kept::default(), std::cell::Cell::new(0));
        Self { root, hooks, services, target, settings, rotator, kept, now, rotations }
    }

    pub(super) async fn add(&mut self, manner: Manner) {
        let service = Listener::start(self.path("current"), manner).await;
        self.hooks.add(&service);
        let probes = self.target.settings["probes"].as_array_mut().expect("a list");
        probes.push(json!({ "address": service.address().to_string(), "server_name": "shop.test" }));
        self.services.push(service);
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join("shop").join(below)
    }

    /// Where the link leads; nothing without one.
    pub(super) fn link(&self) -> Option<String> {
        let target = std::fs::read_link(self.path("current")).ok()?;
        target.to_str()?.strip_prefix("versions/").map(str::to_owned)
    }

    /// The folders of versions.
    pub(super) fn versions(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path("versions")) else { return Vec::new() };
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    pub(super) fn cx(&self) -> Cx<'_> {
        Cx { random: &SystemRandom, deadline: Duration::from_secs(8), now: self.now, checkpoint: &self.kept }
    }

    /// A new rotation.
    pub(super) fn work(&self, current: Option<&Material>) -> Work {
        let number = self.rotations.get() + 1;
        self.rotations.set(number);
        Work {
            rotation: RotationId::mint(self.now, [number; 10]),
            secret: "shop/tls".to_owned(),
            settings: self.settings.clone(),
            current: current.cloned(),
            next_due_at: None,
        }
    }

    pub(super) async fn prepare(&self, work: &Work) -> Result<Material, Failure> {
        match self.rotator.prepare(&self.cx(), &self.target, work).await? {
            Prepared::Minted { material, .. } => Ok(material),
            Prepared::IssuedByTarget => panic!("keys are made here"),
        }
    }

    pub(super) async fn apply(&self, work: &Work, candidate: &Material) -> Result<Applied, Failure> {
        self.rotator.apply(&self.cx(), &self.target, work, candidate).await
    }

    pub(super) async fn verify(&self, work: &Work, candidate: &Material) -> Verdict {
        self.rotator.verify(&self.cx(), &self.target, work, candidate).await.expect("verified or not")
    }

    pub(super) async fn probe(&self, work: &Work, credential: &Material) -> Seen {
        let seen: Vec<Observation> =
            self.rotator.probe(&self.cx(), &self.target, work, credential).await.expect("looked");
        verdict_of(&seen)
    }

    pub(super) async fn revert(&self, work: &Work, candidate: &Material) -> Result<(), Failure> {
        self.rotator.revert(&self.cx(), &self.target, work, candidate).await
    }

    /// A candidate of this rotation, applied.
    pub(super) async fn applied(&self, work: &Work) -> Material {
        let candidate = self.prepare(work).await.expect("prepared");
        self.apply(work, &candidate).await.expect("applied");
        candidate
    }

    /// A whole rotation that goes well.
    pub(super) async fn rotate(&self, current: Option<&Material>) -> Material {
        let work = self.work(current);
        let candidate = self.applied(&work).await;
        let verdict = self.verify(&work, &candidate).await;
        assert!(matches!(verdict, Verdict::Works { .. }), "{verdict:?}");
        candidate
    }
}

pub(super) fn serial(material: &Material) -> String {
    material.text("serial").expect("it has one").to_owned()
}
