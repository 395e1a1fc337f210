//! The kit's own rig: fakes on a fake target that can do everything to them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;

use super::{
    Can, Capabilities, Door, FakeRotator, FakeTarget, Fault, FaultRule, Operation, Rig, RigError, SeededRandom, Stage,
    Strategy, random::hex,
};
use crate::{Material, Random, Rotator};

/// A rig over a [`FakeTarget`], for the [`FakeRotator`] or another rotator of the same target.
pub struct FakeRig {
    target: Arc<FakeTarget>,
    rotator: Box<dyn Rotator>,
    strategy: Strategy,
    random: SeededRandom,
    accounts: AtomicU64,
}

impl FakeRig {
    /// A rig of accounts with one identity.
    pub fn single() -> Self {
        Self::of(Strategy::Single, |fake| Box::new(fake))
    }

    /// A rig of accounts with two identities that take turns.
    pub fn alternate() -> Self {
        Self::of(Strategy::Alternate, |fake| Box::new(fake))
    }

    /// A rig of a rotator that is built around a fake.
    pub fn of(strategy: Strategy, around: impl FnOnce(FakeRotator) -> Box<dyn Rotator>) -> Self {
        let target = Arc::new(FakeTarget::new().with_await_points());
        let rotator = around(FakeRotator { target: Arc::clone(&target) });
        Self { target, rotator, strategy, random: SeededRandom::new(1), accounts: AtomicU64::new(0) }
    }

    /// The target, to look at after a run.
    pub fn target(&self) -> &FakeTarget {
        &self.target
    }
}

fn account(stage: &Stage) -> &str {
    stage.settings["account"].as_str().unwrap_or_default()
}

#[async_trait]
impl Rig for FakeRig {
    fn rotator(&self) -> &dyn Rotator {
        &*self.rotator
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            lose_reply: Can::Yes,
            hold: Can::Yes,
            freeze: Can::Yes,
            refuse: Can::Yes,
            accept_anything: Can::Yes,
        }
    }

    async fn fresh(&self) -> Result<Stage, RigError> {
        let account = format!("app{}", self.accounts.fetch_add(1, Ordering::Relaxed));
        let current = self.target.enroll(&account, self.strategy, &hex::<16>(&self.random));
        let settings = json!({ "account": account, "strategy": self.strategy.name() });
        Ok(Stage::new(json!({ "address": "fake://one" }), settings, current))
    }

    async fn logs_in(&self, stage: &Stage, credential: &Material) -> Result<bool, RigError> {
        Ok(self.target.logs_in(account(stage), credential))
    }

    async fn disturbed(&self, _stage: &Stage) -> Result<u64, RigError> {
        Ok(self.target.fired_in_all())
    }

    async fn lose_reply(&self, stage: &Stage) -> Result<(), RigError> {
        self.target.inject(FaultRule::next(Operation::Apply, Fault::LoseReply).at_account(account(stage)));
        Ok(())
    }

    async fn hold(&self, stage: &Stage) -> Result<(), RigError> {
        self.target.inject(FaultRule::next(Operation::Apply, Fault::Late).forever().at_account(account(stage)));
        Ok(())
    }

    async fn let_go(&self, stage: &Stage) -> Result<(), RigError> {
        self.target.heal_account(account(stage));
        self.target.release(account(stage));
        Ok(())
    }

    async fn freeze(&self, stage: &Stage) -> Result<(), RigError> {
        for operation in Operation::ALL.into_iter().filter(|operation| Fault::Freeze.fits(*operation)) {
            self.target.inject(FaultRule::next(operation, Fault::Freeze).forever().at_account(account(stage)));
        }
        Ok(())
    }

    async fn thaw(&self, stage: &Stage) -> Result<(), RigError> {
        self.let_go(stage).await
    }

    async fn refuse_next(&self, stage: &Stage) -> Result<(), RigError> {
        self.target.inject(FaultRule::next(Operation::Apply, Fault::Refuse).at_account(account(stage)));
        Ok(())
    }

    async fn accept_anything(&self, stage: &Stage) -> Result<(), RigError> {
        self.target.set_door(account(stage), Door::Open);
        Ok(())
    }

    async fn count(&self, stage: &Stage) -> Result<Option<usize>, RigError> {
        Ok(Some(self.target.accepted(account(stage)).len()))
    }

    fn random(&self) -> &dyn Random {
        &self.random
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(10)
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(50)
    }

    fn grace(&self) -> Duration {
        Duration::ZERO
    }
}

#[cfg(test)]
mod single {
    crate::conformance!(super::FakeRig::single());
}

#[cfg(test)]
mod alternate {
    crate::conformance!(super::FakeRig::alternate());
}
