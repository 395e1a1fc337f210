//! A double whose target issues the credentials, as providers of API keys do, to try the kit on that kind.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Can, Capabilities, Cause, Property, Rig, RigError, SeededRandom, Stage, random::hex, run};
use crate::{
    Applied, Cx, Declaration, Failure, Material, Observation, Origin, Overlap, Preflight, Prepared, Probing, Random,
    Refusal, Revertible, Rotator, Seen, Settled, Standing, Target, Verdict, Work,
};

struct Key {
    account: String,
    id: String,
    /// What the provider keeps beside the key: the rotation that made it.
    label: String,
    text: String,
}

/// A provider that shows a key when it is made and never again.
struct Provider {
    keys: Mutex<Vec<Key>>,
    /// Set to lose the next answer.
    loses: AtomicU64,
    lost: AtomicU64,
    ids: AtomicU64,
    random: SeededRandom,
    /// Whether keys of an earlier attempt of a rotation are deleted before it makes a new one.
    deletes_its_own: bool,
}

impl Provider {
    fn new(deletes_its_own: bool) -> Self {
        let (loses, lost, ids) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { keys: Mutex::default(), loses, lost, ids, random: SeededRandom::new(2), deletes_its_own }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create(&self, account: &str, label: &str) -> Material {
        let id = format!("key{}", self.ids.fetch_add(1, Ordering::Relaxed));
        let text = hex::<20>(&self.random);
        let material = Material::of_texts([("id", id.as_str()), ("key", text.as_str())]);
        self.lock().push(Key { account: account.to_owned(), id, label: label.to_owned(), text });
        material
    }

    fn accepts(&self, key: &Material) -> bool {
        self.lock().iter().any(|known| Some(known.text.as_str()) == key.text("key"))
    }
}

fn account(settings: &Value) -> &str {
    settings["account"].as_str().unwrap_or_default()
}

#[async_trait]
impl Rotator for Provider {
    fn kind(&self) -> &'static str {
        "issuing"
    }

    fn declare(&self, _target: &Value, _secret: &Value) -> Result<Declaration, Failure> {
        Ok(Declaration {
            origin: Origin::IssuedByTarget,
            overlap: Overlap::TwoKeys,
            probing: Probing::Any,
            minting_ends_old: false,
            revertible: Revertible::Yes,
            locks_after: None,
        })
    }

    fn address(&self, _target: &Value) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn identity(&self, _secret: &Value, material: &Material) -> Result<String, Failure> {
        Ok(material.text("id").unwrap_or_default().to_owned())
    }

    async fn preflight(&self, _cx: &Cx<'_>, _target: &Target, _work: &Work) -> Result<Preflight, Failure> {
        Ok(Preflight::default())
    }

    async fn prepare(&self, _cx: &Cx<'_>, _target: &Target, _work: &Work) -> Result<Prepared, Failure> {
        Ok(Prepared::IssuedByTarget)
    }

    async fn apply(&self, _cx: &Cx<'_>, _t: &Target, work: &Work, candidate: &Material) -> Result<Applied, Failure> {
        if !candidate.expose().is_empty() && self.accepts(candidate) {
            return Ok(Applied { issued: None });
        }
        if self.deletes_its_own {
            self.lock().retain(|key| key.label != work.rotation.as_str());
        }
        let issued = self.create(account(&work.settings), work.rotation.as_str());
        if self.loses.swap(0, Ordering::Relaxed) > 0 {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Err(Failure::unknown("issuing-lost", "the answer was lost", "apply again"));
        }
        let id = issued.text("id").unwrap_or_default().to_owned();
        Ok(Applied { issued: Some((issued, id)) })
    }

    async fn verify(&self, _cx: &Cx<'_>, _t: &Target, _w: &Work, candidate: &Material) -> Result<Verdict, Failure> {
        if self.accepts(candidate) {
            return Ok(Verdict::Works { endpoints: vec!["provider".to_owned()] });
        }
        Ok(Verdict::NotYet { look_again_in: Duration::ZERO, because: "refused".to_owned() })
    }

    async fn probe(&self, _c: &Cx<'_>, _t: &Target, _w: &Work, key: &Material) -> Result<Vec<Observation>, Failure> {
        let refused = Seen::Refused { refusal: Refusal::WrongCredential };
        let seen = if self.accepts(key) { Seen::Works } else { refused };
        Ok(vec![Observation { endpoint: "provider".to_owned(), standing: Standing::Deciding, seen }])
    }

    async fn settle(&self, _cx: &Cx<'_>, _target: &Target, _work: &Work) -> Result<Settled, Failure> {
        Ok(Settled::Yes)
    }

    async fn revert(&self, _cx: &Cx<'_>, _t: &Target, work: &Work, _candidate: &Material) -> Result<(), Failure> {
        self.lock().retain(|key| key.label != work.rotation.as_str());
        Ok(())
    }

    async fn retire(
        &self,
        _c: &Cx<'_>,
        _t: &Target,
        _w: &Work,
        old: &Material,
        live: &Material,
    ) -> Result<(), Failure> {
        if old.text("id") == live.text("id") {
            return Err(Failure::refused("issuing-live", "the key is in use", "retire another"));
        }
        self.lock().retain(|key| Some(key.id.as_str()) != old.text("id"));
        Ok(())
    }
}

struct ProviderRig(Provider);

#[async_trait]
impl Rig for ProviderRig {
    fn rotator(&self) -> &dyn Rotator {
        &self.0
    }

    fn capabilities(&self) -> Capabilities {
        let never = Can::No("this double does not do that");
        Capabilities { lose_reply: Can::Yes, hold: never, freeze: never, refuse: never, accept_anything: never }
    }

    async fn fresh(&self) -> Result<Stage, RigError> {
        let account = format!("team{}", self.0.ids.load(Ordering::Relaxed));
        let current = self.0.create(&account, "by hand");
        Ok(Stage::new(Value::Null, json!({ "account": account }), current))
    }

    async fn logs_in(&self, _stage: &Stage, credential: &Material) -> Result<bool, RigError> {
        Ok(self.0.accepts(credential))
    }

    async fn disturbed(&self, _stage: &Stage) -> Result<u64, RigError> {
        Ok(self.0.lost.load(Ordering::Relaxed))
    }

    async fn lose_reply(&self, _stage: &Stage) -> Result<(), RigError> {
        self.0.loses.store(1, Ordering::Relaxed);
        Ok(())
    }

    async fn count(&self, stage: &Stage) -> Result<Option<usize>, RigError> {
        Ok(Some(self.0.lock().iter().filter(|key| key.account == account(&stage.settings)).count()))
    }

    fn public_fields(&self) -> &[&'static str] {
        &["id"]
    }

    fn random(&self) -> &dyn Random {
        &self.0.random
    }
}

#[tokio::test]
async fn a_rotator_whose_target_issues_keys_conforms() {
    let report = run(&ProviderRig(Provider::new(true))).await;
    assert!(report.is_clean() && report.skipped().count() == 3, "{report}");
}

#[tokio::test]
async fn a_key_that_is_forgotten_after_a_lost_answer_is_an_orphan() {
    let report = run(&ProviderRig(Provider::new(false))).await;
    let failed: Vec<_> = report.failed().map(|(property, violation)| (property, violation.cause)).collect();
    assert_eq!(failed, [(Property::ReplyLost, Cause::Rotator)], "{report}");
}
