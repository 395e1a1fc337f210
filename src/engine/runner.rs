//! One claim's work: look, do, record, until nothing is due; then the claim ends with the next due time.
//!
//! A crash anywhere leaves a claim that ends by itself and a journal from which the next holder goes on. A write under
//! a lost claim fails at its first statement, and the runner stops there.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    Engine, Trouble,
    load::{Subject, load},
    look::{Look, Setting, Work, look},
};
use crate::{
    model::{SecretId, TargetId},
    store::{
        StoreError, Tx,
        agenda::{self, Claim},
    },
};

/// What a unit of work leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Look again at once.
    LookAgain,
    /// Look again at once, and most likely nothing is left to do.
    Rest,
    /// Nothing more can be learned before so long.
    Pause(Duration),
}

/// Why a runner stops before its work is done.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// The holder of one claim.
pub(super) struct Runner {
    pub(super) engine: Arc<Engine>,
    pub(super) claim: Claim,
    pub(super) secret: SecretId,
}

/// How long a subject whose rows cannot be read is left alone.
const AFTER_TROUBLE: Duration = Duration::from_mins(1);

/// How long it is left alone when the store could not be written: the target may be ahead of what is served.
const AFTER_STORE_TROUBLE: Duration = Duration::from_secs(1);

/// Works on a claim to its end.
pub(super) async fn work(engine: Arc<Engine>, claim: Claim) {
    if let Err(error) = work_on(&engine, &claim).await {
        report(&engine, &claim, error).await;
    }
    engine.claims.drop_claim(&claim.subject, claim.fence);
    engine.lanes.give_back(&claim.lane);
    engine.wake();
}

async fn work_on(engine: &Arc<Engine>, claim: &Claim) -> Result<(), RunError> {
    if let Ok(target) = TargetId::parse(&claim.subject) {
        return super::breaker::look_at_target(engine, claim, &target).await;
    }
    let Ok(secret) = SecretId::parse(&claim.subject) else {
        return Ok(engine.end(claim, None).await?);
    };
    let runner = Runner { engine: Arc::clone(engine), claim: claim.clone(), secret };
    runner.run().await
}

async fn report(engine: &Engine, claim: &Claim, error: RunError) {
    match &error {
        RunError::Store(StoreError::FenceLost { .. }) => {
            tracing::info!(subject = claim.subject, "the claim is gone; its new holder goes on");
            return;
        }
        RunError::Store(StoreError::Full) => {
            // The claim's work is looked at again, and then finds room.
            engine.give_up_ballast();
        }
        other => tracing::error!(subject = claim.subject, "{other}"),
    }
    let passes = match &error {
        RunError::Store(error) => error.may_pass(),
        RunError::Trouble(trouble) => matches!(&*trouble.code, "store-full" | "store-unavailable"),
    };
    let hold_off = if passes { AFTER_STORE_TROUBLE } else { AFTER_TROUBLE };
    // While the store takes no write the claim cannot be ended either. It is tried until the claim ends by itself.
    while let Err(error) = engine.end(claim, Some(engine.now() + hold_off)).await {
        tracing::warn!(subject = claim.subject, code = error.code(), "{error}");
        let stands = engine.claims.stands(&claim.subject, claim.fence, engine.clock.boot());
        if !error.may_pass() || !stands || engine.is_stopping() {
            return;
        }
        engine.clock.sleep(AFTER_STORE_TROUBLE).await;
    }
}

impl Engine {
    /// Ends a claim with a due time that nothing needs to be read for.
    pub(super) async fn end(&self, claim: &Claim, due_at: Option<DateTime<Utc>>) -> Result<(), StoreError> {
        let claim = claim.clone();
        self.write(move |tx| Box::pin(async move { agenda::release(tx, &claim, due_at, &claim.lane).await })).await
    }

    pub(super) fn setting(&self, is_fresh: bool) -> Setting {
        Setting {
            now: self.now(),
            is_fresh,
            has_room: !self.short_of_room.load(std::sync::atomic::Ordering::Acquire),
            expiry_margin: self.options.expiry_margin,
        }
    }
}

impl Runner {
    async fn run(&self) -> Result<(), RunError> {
        let (mut is_fresh, mut known) = (true, None);
        loop {
            if self.engine.is_stopping() {
                return Ok(self.engine.end(&self.claim, Some(self.engine.now())).await?);
            }
            let loaded = match known.take() {
                Some(subject) => Some(subject),
                None => self.load(&mut self.engine.store.read().await?).await?,
            };
            let Some(subject) = loaded else {
                let gone = self.claim.subject.clone();
                let off = self.engine.write(move |tx| Box::pin(async move { agenda::delete(tx, &gone).await }));
                return Ok(off.await?);
            };
            if let Some(target) = &subject.target {
                let limit = usize::try_from(target.parallel).unwrap_or(1);
                self.engine.lanes.set_limit(target.id.as_str(), limit);
            }
            let then = match look(&subject, &self.engine.setting(is_fresh)) {
                Look::Now(work) => self.perform(&subject, work).await?,
                Look::At(_) => Then::Rest,
            };
            match then {
                Then::LookAgain => {}
                Then::Pause(wait) => return Ok(self.engine.end(&self.claim, Some(self.engine.now() + wait)).await?),
                Then::Rest => match self.release().await? {
                    None => return Ok(()),
                    found => known = found,
                },
            }
            is_fresh = false;
        }
    }

    async fn perform(&self, subject: &Subject, work: Work) -> Result<Then, RunError> {
        match work {
            Work::Fire => self.fire().await,
            Work::Replan => self.replan().await,
            Work::Start => self.start(subject).await,
            Work::Step(next) => self.step(subject, next).await,
            Work::Deliver(id) => self.deliver(subject, &id).await,
            Work::Retire(id) => self.retire_version(subject, &id).await,
            Work::Probe => self.probe_for_drift(subject).await,
            Work::Purge => self.purge(subject).await,
        }
    }

    pub(super) async fn load(&self, tx: &mut Tx) -> Result<Option<Subject>, StoreError> {
        load(tx, self.engine.keyring(), &self.claim.tenant, &self.secret).await
    }

    /// Ends the claim with the next due time, computed under the row's lock so that no request is missed. Answers
    /// what it read, and keeps the claim, where there is something to be done after all.
    async fn release(&self) -> Result<Option<Subject>, StoreError> {
        let (engine, claim, secret) = (Arc::clone(&self.engine), self.claim.clone(), self.secret.clone());
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let Some(subject) = load(tx, engine.keyring(), &claim.tenant, &secret).await? else {
                        agenda::delete(tx, &claim.subject).await?;
                        return Ok(None);
                    };
                    let Look::At(due_at) = look(&subject, &engine.setting(false)) else { return Ok(Some(subject)) };
                    let lane = subject.secret.target.as_ref().map_or("", TargetId::as_str);
                    agenda::release(tx, &claim, due_at, lane).await?;
                    Ok(None)
                })
            })
            .await
    }
}
