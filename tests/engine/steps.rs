//! Proof 4 through the engine: a failure at every step, every step twice, every way back twice, a crash in every step.

use std::{sync::Arc, time::Duration};

use keywheel::{engine::Options, model::SecretId};
use keywheel_contract::{
    Rotator,
    kit::{FakeRotator, FakeTarget, Fault, FaultRule, Operation, Strategy},
};

use super::{
    still::{Still, calm},
    watched::Watched,
};
use crate::{schedule::reference::instant, support::proof::Proof};

const BEGIN: i64 = 1_770_000_000;
const FAULTS: [Fault; 9] = [
    Fault::Refuse,
    Fault::Transient,
    Fault::Unreachable,
    Fault::LoseReply,
    Fault::Vanish,
    Fault::Late,
    Fault::Freeze,
    Fault::NotYet,
    Fault::WrongSecret,
];
/// What the engine asks of a rotator while it rotates.
const OPERATIONS: [Operation; 7] = [
    Operation::Prepare,
    Operation::Apply,
    Operation::Verify,
    Operation::Probe,
    Operation::Settle,
    Operation::Revert,
    Operation::Retire,
];

/// A secret whose rotation meets a fault at an operation.
struct Case {
    name: String,
    id: SecretId,
    operation: Operation,
    fault: Fault,
    times: u32,
}

/// Makes sure that a rotation comes to an operation.
fn lead_to(fake: &FakeTarget, name: &str, operation: Operation, times: u32) {
    let rule = match operation {
        Operation::Probe | Operation::Settle => FaultRule::next(Operation::Apply, Fault::LoseReply),
        Operation::Revert => FaultRule::next(Operation::Verify, Fault::Refuse),
        _ => return,
    };
    fake.inject(rule.times(times).at_account(name));
}

/// Enough room that every secret is at work at once.
fn roomy() -> Options {
    Options { tasks: 1_000, ..calm() }
}

impl Still {
    /// Adopts a secret for each fault that fits an operation, once and twice in a row, for both strategies.
    async fn cases(&self, faults: &[Fault], times: &[u32]) -> Vec<Case> {
        let mut cases = Vec::new();
        for strategy in [Strategy::Single, Strategy::Alternate] {
            for operation in OPERATIONS {
                for fault in faults.iter().copied().filter(|fault| fault.fits(operation)) {
                    for times in times.iter().copied() {
                        let name = format!("{}-{operation:?}-{fault:?}-{times}", strategy.name()).to_lowercase();
                        let id = self.world.adopt(&name, strategy).await;
                        lead_to(&self.world.fake, &name, operation, 1);
                        self.world.fake.inject(FaultRule::next(operation, fault).times(times).at_account(&name));
                        self.world.request(&id).await;
                        cases.push(Case { name, id, operation, fault, times });
                    }
                }
            }
        }
        cases
    }

    /// Lets time go on until everything has been rotated and nothing is left to do.
    async fn finish(&self, ids: impl Iterator<Item = &SecretId> + Clone) {
        let is_finished = async || {
            for id in ids.clone() {
                let is_done = self.world.current(id).await.number == Some(2);
                if !is_done || !self.world.open_occurrences(id).await.is_empty() {
                    return false;
                }
            }
            self.next_due().await.is_none()
        };
        self.push(is_finished).await;
    }

    async fn judge(&self, name: &str, id: &SecretId) {
        assert!(self.world.served_logs_in(name, id).await, "{name} serves a value that is refused");
        assert_eq!(self.world.fake.accepted(name).len(), 1, "{name} accepts what nobody serves");
    }
}

mod proofs {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failure_at_any_step_ends_with_a_value_that_logs_in() -> anyhow::Result<()> {
        let proof = Proof::begin("4", "failures at a step");
        let mut still = Still::at(instant(BEGIN), roomy()).await;
        let cases = still.cases(&FAULTS, &[1, 2]).await;
        still.world.start();
        still.finish(cases.iter().map(|case| &case.id)).await;
        let mut fired = 0;
        for case in &cases {
            still.judge(&case.name, &case.id).await;
            let same = |other: &&Case| (other.operation, other.fault) == (case.operation, case.fault);
            let asked: u32 = cases.iter().filter(same).map(|case| case.times).sum();
            let (operation, fault) = (case.operation, case.fault);
            assert!(
                still.world.fake.fired(operation, fault) >= u64::from(asked),
                "{operation:?} {fault:?} fired less than {asked} times"
            );
            fired += u64::from(case.times);
        }
        still.world.stop().await;
        proof.end(fired, 228)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_step_and_every_way_back_may_be_done_twice() -> anyhow::Result<()> {
        let proof = Proof::begin("4", "rotations with every step done twice");
        let twice = |target: Arc<FakeTarget>| -> Arc<dyn Rotator> {
            Arc::new(Watched::new(Arc::new(FakeRotator { target }), true))
        };
        let mut still = Still::with(instant(BEGIN), roomy(), FakeTarget::new(), twice).await;
        let mut rotated = Vec::new();
        for strategy in [Strategy::Single, Strategy::Alternate] {
            for operation in OPERATIONS {
                let name = format!("{}-{operation:?}", strategy.name()).to_lowercase();
                let id = still.world.adopt(&name, strategy).await;
                // Both calls of the step that fails meet the fault.
                lead_to(&still.world.fake, &name, operation, 2);
                still.world.request(&id).await;
                rotated.push((name, id));
            }
        }
        still.world.start();
        still.finish(rotated.iter().map(|(_, id)| id)).await;
        for (name, id) in &rotated {
            still.judge(name, id).await;
        }
        for operation in OPERATIONS {
            let calls = still.world.fake.calls_of_all(operation);
            assert!(calls >= 4 && calls % 2 == 0, "{operation:?} was called {calls} times");
        }
        still.world.stop().await;
        proof.end(u64::try_from(rotated.len())?, 14)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_crash_in_any_call_is_recovered_from_whether_the_call_acts_late_or_never() -> anyhow::Result<()> {
        let proof = Proof::begin("4", "crashes in a call");
        let mut crashes = 0;
        for acts_late in [false, true] {
            let patient = Options { step_deadline: Duration::from_hours(1), ..roomy() };
            let mut still = Still::at(instant(BEGIN), patient).await;
            let cases = still.cases(&[Fault::Freeze], &[1]).await;
            still.world.start();
            still.until_frozen(&cases).await;
            still.world.crash().await;
            if acts_late {
                for case in &cases {
                    assert!(still.world.fake.release(&case.name) < 2);
                }
            }
            still.world.restart().await;
            still.finish(cases.iter().map(|case| &case.id)).await;
            for case in &cases {
                still.judge(&case.name, &case.id).await;
            }
            crashes += u64::try_from(cases.len())?;
            still.world.stop().await;
        }
        proof.end(crashes, 24)
    }
}

impl Still {
    async fn until_frozen(&self, cases: &[Case]) {
        let fake = &self.world.fake;
        let of = |case: &Case| (case.operation, fake.fired(case.operation, Fault::Freeze));
        let all = async || cases.iter().map(of).all(|(_, fired)| fired >= 2).then_some(());
        crate::support::wait::eventually(Duration::from_secs(30), "every call hangs", all).await.expect("in time");
    }
}
