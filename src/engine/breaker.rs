//! The breaker of a target: after repeated failures its new rotations pause, one alert goes out, and probes of one of
//! its secrets close it again. A rotation that already runs goes on looking, each in its own time.

use std::{sync::Arc, time::Duration};

use keywheel_contract::{Decision, Failure, RotationId, Seen, Work, verdict_of};

use super::{
    Engine,
    alerts::{Wrong, kind},
    call::{Call, Right},
    runner::RunError,
};
use crate::{
    clock::micros,
    model::{Actor, Breaker, EventId, Target, TargetId},
    rotation::Backoff,
    store::{NewEvent, StoreError, Tx, agenda, agenda::Claim, event, secret, target, version},
};

/// How long a target that answers again waits at most until its paused work goes on.
const PROBES: Backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_mins(5) };

impl Engine {
    /// A call to a target was answered.
    pub(super) async fn target_answered(self: &Arc<Self>, id: &TargetId) {
        if self.lanes.forget_failures(id.as_str()) {
            self.move_breaker(id, None).await;
        }
    }

    /// A call to a target failed in a way that speaks of the target.
    pub(super) async fn target_failed(self: &Arc<Self>, id: &TargetId, failure: &Failure) {
        if !matches!(failure.decision, Decision::Transient { .. } | Decision::Unknown) || failure.code == "claim-lost" {
            return;
        }
        if self.lanes.count_failure(id.as_str()) == self.options.breaker_after {
            self.move_breaker(id, Some(failure.sentence.clone())).await;
        }
    }

    async fn move_breaker(self: &Arc<Self>, id: &TargetId, because: Option<String>) {
        let (engine, id) = (Arc::clone(self), id.clone());
        let moved: Result<(), StoreError> = self
            .write(move |tx| {
                Box::pin(async move {
                    let tenant = engine.tenant.clone();
                    let Some(mut target) = target::find(tx, engine.keyring(), &tenant, &id).await? else {
                        return Ok(());
                    };
                    match because {
                        Some(because) => engine.open_breaker(tx, &mut target, because).await,
                        None => engine.close_breaker(tx, &mut target).await,
                    }
                })
            })
            .await;
        if let Err(error) = moved {
            tracing::warn!(code = error.code(), "cannot move a breaker: {error}");
        }
        self.wake();
    }

    async fn open_breaker(&self, tx: &mut Tx, target: &mut Target, because: String) -> Result<(), StoreError> {
        if matches!(target.breaker, Breaker::Open { .. }) {
            return Ok(());
        }
        let sentence = format!("the target `{}` does not answer: {because}", target.name);
        let hint = format!("bring it back; `keywheel target show {}` tells when it is looked at next", target.name);
        let wrong = Wrong::of_target(&target.id, kind::UNREACHABLE, sentence, hint);
        self.open_alert(tx, &target.tenant, &wrong).await?;
        target.breaker = Breaker::Open { since: micros(self.now()), probes: 0, because };
        self.write_breaker(tx, target, "target.breaker_opened").await?;
        let look_at = self.now() + PROBES.first;
        agenda::insert(tx, target.id.as_str(), &target.tenant, "", Some(look_at)).await?;
        agenda::pull(tx, target.id.as_str(), look_at).await
    }

    async fn close_breaker(&self, tx: &mut Tx, target: &mut Target) -> Result<(), StoreError> {
        if !matches!(target.breaker, Breaker::Open { .. }) {
            return Ok(());
        }
        target.breaker = Breaker::Closed;
        self.write_breaker(tx, target, "target.breaker_closed").await?;
        self.close_alerts(tx, &target.tenant, target.id.as_str(), &[kind::UNREACHABLE]).await?;
        for secret in secret::list_of_target(tx, self.keyring(), &target.tenant, &target.id).await? {
            agenda::pull(tx, secret.id.as_str(), self.now()).await?;
        }
        Ok(())
    }

    async fn write_breaker(&self, tx: &mut Tx, target: &mut Target, kind: &str) -> Result<(), StoreError> {
        let written = target::update(tx, self.keyring(), target).await?;
        let facts = serde_json::json!({ "v": 1, "breaker": target.breaker });
        let new = NewEvent {
            id: self.mint(EventId::mint),
            tenant: target.tenant.clone(),
            subject: target.id.as_str().to_owned(),
            rotation: None,
            kind: kind.to_owned(),
            facts,
            written: vec![written],
            actor: Actor::daemon(),
            reason: String::new(),
            at: self.now(),
        };
        event::append(tx, self.keyring(), new).await.map(|_| ())
    }
}

/// Work on a target's own agenda row: one probe while its breaker is open.
pub(super) async fn look_at_target(engine: &Arc<Engine>, claim: &Claim, id: &TargetId) -> Result<(), RunError> {
    let mut tx = engine.store.read().await?;
    let found = target::find(&mut tx, engine.keyring(), &claim.tenant, id).await?;
    drop(tx);
    let Some(Target { breaker: Breaker::Open { probes, .. }, .. }) = &found else {
        return Ok(engine.end(claim, None).await?);
    };
    let probes = *probes;
    let Some(target) = found else { return Ok(engine.end(claim, None).await?) };
    if answers(engine, claim, &target).await? {
        engine.lanes.forget_failures(id.as_str());
        engine.move_breaker(id, None).await;
        return Ok(engine.end(claim, None).await?);
    }
    let (engine_in, id) = (Arc::clone(engine), id.clone());
    engine
        .write(move |tx| {
            Box::pin(async move {
                let tenant = engine_in.tenant.clone();
                if let Some(mut target) = target::find(tx, engine_in.keyring(), &tenant, &id).await?
                    && let Breaker::Open { probes, .. } = &mut target.breaker
                {
                    *probes += 1;
                    let written = target::update(tx, engine_in.keyring(), &mut target).await?;
                    event::note_without_event(tx, &[written]).await?;
                }
                Ok::<_, StoreError>(())
            })
        })
        .await?;
    let wait = PROBES.after(probes + 1, engine.draw());
    Ok(engine.end(claim, Some(engine.now() + wait)).await?)
}

/// Whether the target answers one of its secrets, with whatever answer.
async fn answers(engine: &Arc<Engine>, claim: &Claim, target: &Target) -> Result<bool, RunError> {
    let mut tx = engine.store.read().await?;
    let secrets = secret::list_of_target(&mut tx, engine.keyring(), &claim.tenant, &target.id).await?;
    for secret in secrets.into_iter().filter(|secret| secret.deleted_at.is_none()) {
        let current = version::find_current(&mut tx, engine.keyring(), &claim.tenant, &secret.id).await?;
        let Some(current) = current.filter(|current| current.token.is_some()) else { continue };
        drop(tx);
        let credential = engine.open(&current)?;
        let call = Call {
            rotator: engine.rotators.find(&target.rotator)?,
            target: engine.resolve_target(target).await?,
            engine: Arc::clone(engine),
            work: Work {
                rotation: engine.mint(RotationId::mint),
                secret: secret.name.to_string(),
                settings: secret.settings.clone(),
                current: None,
                next_due_at: None,
            },
            right: Right::Claim { subject: claim.subject.clone(), fence: claim.fence },
        };
        let seen = call.probe(credential).await.map(|observations| verdict_of(&observations));
        return Ok(matches!(seen, Ok(Seen::Works | Seen::Refused { .. })));
    }
    Ok(true)
}
