//! A rotator in memory, for tests of the engine and for simulations: kind `fake`.
//!
//! Settings of a target: `{"address": "…"}`; of a secret: `{"account": "…", "strategy": "single" | "alternate"}`.
//! Its credentials are `{"username": "…", "password": "…"}`. It needs no admin and no runtime.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;

use super::{
    account::Effect,
    fake_target::{Answer, FakeTarget, Trouble},
    faults::{Call, Operation},
    random::hex,
};
use crate::{
    Applied, Check, CheckOutcome, Cx, Declaration, Failure, Finding, FindingKind, Material, Observation, Origin,
    Overlap, Preflight, Prepared, Probing, Redactor, Revertible, Rotator, Seen, Settled, Standing, Target, Verdict,
    Work,
};

/// How the fake rotator replaces a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// One identity; the new password ends the old one.
    Single,
    /// Two identities take turns.
    Alternate,
}

impl Strategy {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Alternate => "alternate",
        }
    }

    /// The identity that a new password belongs to when the given one is in use.
    pub(super) fn identity_after(self, account: &str, current: Option<&str>) -> String {
        match self {
            Self::Single => account.to_owned(),
            Self::Alternate if current.is_some_and(|current| current.ends_with("_a")) => format!("{account}_b"),
            Self::Alternate => format!("{account}_a"),
        }
    }
}

/// A rotator of the accounts of a [`FakeTarget`].
#[derive(Clone)]
pub struct FakeRotator {
    /// The target whose accounts it rotates, whatever the address in a target's settings.
    pub target: Arc<FakeTarget>,
}

struct Place<'a> {
    account: &'a str,
    strategy: Strategy,
    address: &'a str,
}

impl<'a> Place<'a> {
    fn of(target: &'a Value, secret: &'a Value) -> Result<Self, Failure> {
        let strategy = match secret.get("strategy").map(Value::as_str) {
            None | Some(Some("single")) => Strategy::Single,
            Some(Some("alternate")) => Strategy::Alternate,
            Some(_) => return Err(setting("secret.strategy", "write `single` or `alternate`")),
        };
        let account = secret.get("account").and_then(Value::as_str);
        let address = target.get("address").and_then(Value::as_str);
        Ok(Self {
            account: account.ok_or_else(|| setting("secret.account", "name an account of the target"))?,
            address: address.ok_or_else(|| setting("target.address", "write any text"))?,
            strategy,
        })
    }

    fn in_work(target: &'a Target, work: &'a Work) -> Result<Self, Failure> {
        Self::of(&target.settings, &work.settings)
    }

    fn call(&self, work: &'a Work, operation: Operation) -> Call<'a> {
        Call { account: self.account, address: self.address, rotation: &work.rotation, operation, ordinal: 0 }
    }
}

fn setting(key: &str, hint: &str) -> Failure {
    Failure::misconfigured(key, "fake-setting-wrong", format!("`{key}` is missing or wrong"), hint)
}

fn parts(material: &Material) -> Result<(&str, &str), Failure> {
    let parts = material.text("username").zip(material.text("password"));
    parts.ok_or_else(|| setting("secret.value", "give it the text fields `username` and `password`"))
}

/// Waits once, so that a caller can drop the future here.
struct AwaitPoint(bool);

impl Future for AwaitPoint {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl FakeRotator {
    async fn await_point(&self) {
        AwaitPoint(!self.target.has_await_points).await;
    }

    async fn change(&self, call: Call<'_>, effect: Effect, values: &[&Material]) -> Result<(), Failure> {
        self.await_point().await;
        let told = |trouble| told(&trouble, values);
        match self.target.change(call, effect).map_err(told)? {
            Answer::Given(()) => {}
            Answer::Frozen(waiting) => waiting.await.map_err(|_| told(Trouble::AnswerLost))?,
        }
        self.await_point().await;
        Ok(())
    }

    /// Whether the target has an answer already.
    async fn look(&self, call: Call<'_>) -> Result<bool, Trouble> {
        self.await_point().await;
        match self.target.look(call)? {
            Answer::Given(ready) => Ok(ready),
            Answer::Frozen(waiting) => waiting.await.map(|()| true).map_err(|_| Trouble::Unreachable),
        }
    }
}

fn told(trouble: &Trouble, values: &[&Material]) -> Failure {
    match trouble {
        Trouble::NoAccount => setting("secret.account", "make the account at the fake target first"),
        Trouble::Refused { says } => {
            let says = Redactor::of(values.iter().copied(), &["username"]).redact(says);
            Failure::refused("fake-refused", format!("the fake target {says}"), "heal the fake target")
        }
        Trouble::Busy => Failure::transient("fake-busy", "the fake target is busy", "wait"),
        Trouble::Unreachable => Failure::transient("fake-unreachable", "the fake target is unreachable", "wait"),
        Trouble::AnswerLost => Failure::unknown("fake-answer-lost", "the fake target's answer was lost", "probe"),
        Trouble::Held => Failure::unknown("fake-held", "the change waits at the fake target", "settle, then probe"),
    }
}

#[async_trait]
impl Rotator for FakeRotator {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn declare(&self, target: &Value, secret: &Value) -> Result<Declaration, Failure> {
        let single = Place::of(target, secret)?.strategy == Strategy::Single;
        Ok(Declaration {
            origin: Origin::MintedHere,
            overlap: if single { Overlap::None } else { Overlap::TwoRoles },
            probing: Probing::Any,
            minting_ends_old: single,
            revertible: Revertible::Yes,
            locks_after: None,
        })
    }

    fn address(&self, target: &Value) -> Result<Value, Failure> {
        target.get("address").cloned().ok_or_else(|| setting("target.address", "write any text"))
    }

    fn identity(&self, _secret: &Value, material: &Material) -> Result<String, Failure> {
        parts(material).map(|(identity, _)| identity.to_owned())
    }

    async fn preflight(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Preflight, Failure> {
        let place = Place::in_work(target, work)?;
        self.look(place.call(work, Operation::Preflight)).await.map_err(|trouble| told(&trouble, &[]))?;
        let current = work.current.as_ref().and_then(|current| current.text("username"));
        let next = place.strategy.identity_after(place.account, current);
        let opens = self.target.login(place.account, current.unwrap_or(&next), &hex::<16>(cx.random)).is_ok();
        let mut findings = Vec::new();
        if opens {
            findings.push(finding(FindingKind::Blocks, "any-password-accepted", "a random password was let in"));
        }
        if place.strategy == Strategy::Single {
            let sentence = "the old password ends when the new one begins";
            findings.push(finding(FindingKind::NeedsAcknowledgement, "no-overlap", sentence));
        }
        Ok(Preflight {
            checks: vec![Check {
                name: "negative control".to_owned(),
                outcome: if opens { CheckOutcome::Failed } else { CheckOutcome::Passed },
                detail: format!("a login to `{}` with a random password", place.account),
            }],
            changes: vec![format!("set the password of `{next}` to ********")],
            findings,
        })
    }

    async fn prepare(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Prepared, Failure> {
        let place = Place::in_work(target, work)?;
        self.look(place.call(work, Operation::Prepare)).await.map_err(|trouble| told(&trouble, &[]))?;
        let current = work.current.as_ref().and_then(|current| current.text("username"));
        let identity = place.strategy.identity_after(place.account, current);
        let password = hex::<16>(cx.random);
        let material = Material::of_texts([("username", identity.as_str()), ("password", password.as_str())]);
        Ok(Prepared::Minted { material, identity })
    }

    async fn apply(
        &self,
        _cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        candidate: &Material,
    ) -> Result<Applied, Failure> {
        let place = Place::in_work(target, work)?;
        let (identity, password) = parts(candidate)?;
        let effect = Effect::Set { identity: identity.to_owned(), password: password.to_owned() };
        self.change(place.call(work, Operation::Apply), effect, &[candidate]).await?;
        Ok(Applied { issued: None })
    }

    async fn verify(
        &self,
        _cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        candidate: &Material,
    ) -> Result<Verdict, Failure> {
        let place = Place::in_work(target, work)?;
        let (identity, password) = parts(candidate)?;
        let ready = self.look(place.call(work, Operation::Verify)).await.map_err(|trouble| told(&trouble, &[]))?;
        if ready && self.target.login(place.account, identity, password).is_ok() {
            return Ok(Verdict::Works { endpoints: vec![place.address.to_owned()] });
        }
        let because = if ready { "the candidate is refused" } else { "the change has not arrived" };
        Ok(Verdict::NotYet { look_again_in: Duration::from_millis(1), because: because.to_owned() })
    }

    async fn probe(
        &self,
        _cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        credential: &Material,
    ) -> Result<Vec<Observation>, Failure> {
        let place = Place::in_work(target, work)?;
        let (identity, password) = parts(credential)?;
        let seen = match self.look(place.call(work, Operation::Probe)).await {
            Ok(_) => match self.target.login(place.account, identity, password) {
                Ok(()) => Seen::Works,
                Err(refusal) => Seen::Refused { refusal },
            },
            Err(Trouble::Unreachable) => Seen::Unreachable { because: "no route to the fake target".to_owned() },
            Err(trouble) => return Err(told(&trouble, &[])),
        };
        Ok(vec![Observation { endpoint: place.address.to_owned(), standing: Standing::Deciding, seen }])
    }

    async fn settle(&self, _cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Settled, Failure> {
        let place = Place::in_work(target, work)?;
        if self.look(place.call(work, Operation::Settle)).await.map_err(|trouble| told(&trouble, &[]))? {
            self.target.settle(place.account, &work.rotation);
            return Ok(Settled::Yes);
        }
        let because = "a session of the rotation lives".to_owned();
        Ok(Settled::NotYet { look_again_in: Duration::from_millis(1), because })
    }

    async fn revert(&self, _cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<(), Failure> {
        let place = Place::in_work(target, work)?;
        let effect = match (place.strategy, &work.current) {
            (Strategy::Single, Some(current)) => {
                let (identity, password) = parts(current)?;
                Effect::Set { identity: identity.to_owned(), password: password.to_owned() }
            }
            (Strategy::Single, None) => {
                let sentence = "what was there before is not known";
                return Err(Failure::refused("fake-no-way-back", sentence, "keep the candidate"));
            }
            (Strategy::Alternate, _) => ending(candidate)?,
        };
        let values: Vec<&Material> = work.current.iter().chain([candidate]).collect();
        self.change(place.call(work, Operation::Revert), effect, &values).await
    }

    async fn retire(
        &self,
        _cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        old: &Material,
        live: &Material,
    ) -> Result<(), Failure> {
        let place = Place::in_work(target, work)?;
        if parts(old)? == parts(live)? {
            return Err(Failure::refused("fake-still-live", "the old credential is the live one", "retire another"));
        }
        self.change(place.call(work, Operation::Retire), ending(old)?, &[old, live]).await
    }
}

fn ending(material: &Material) -> Result<Effect, Failure> {
    parts(material)
        .map(|(identity, password)| Effect::End { identity: identity.to_owned(), password: password.to_owned() })
}

pub(super) fn finding(kind: FindingKind, code: &str, sentence: &str) -> Finding {
    let hint = match kind {
        FindingKind::Blocks => "let the account ask for its password",
        FindingKind::NeedsAcknowledgement | FindingKind::Note => "use the strategy `alternate`, or acknowledge it",
    };
    Finding { code: code.to_owned(), kind, sentence: sentence.to_owned(), hint: hint.to_owned() }
}
