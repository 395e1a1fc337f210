//! Checks of what happens when an operation is abandoned, dropped, unanswered or late.

#![expect(clippy::disallowed_methods, reason = "the kit waits for real servers, in running time")]

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::sleep;

use crate::{
    Decision, Failure, Revertible, Seen,
    kit::{
        Rig, Violation,
        faults::Operation,
        trial::{Snapshot, Trial, Which},
    },
    verdict_of,
};

/// A frozen target: looking says nothing false, and an abandoned change can be cleared up.
pub(super) async fn deadline(rig: &dyn Rig) -> Result<(), Violation> {
    let mut trial = Trial::start(rig).await?;
    let before = rig.disturbed(&trial.stage).await?;
    rig.freeze(&trial.stage).await?;
    let looked = expect_silence(&trial).await;
    let ended = trial.apply_or_abandon().await;
    rig.thaw(&trial.stage).await?;
    looked?;
    trial.expect_disturbed(before).await?;
    trial.must_settle().await?;
    if let Some(Err(failure)) = &ended {
        expect_honest(&trial, failure).await?;
    }
    let after = trial.snapshot().await?;
    if !after.current && !after.candidate && !trial.candidate.expose().is_empty() {
        return Err(Violation::of_rotator("after an abandoned `apply` neither credential works"));
    }
    trial.expect_truth("after an abandoned `apply` and `settle`").await?;
    expect_recovery(&mut trial).await
}

async fn expect_silence(trial: &Trial<'_>) -> Result<(), Violation> {
    if !trial.may_probe(Which::Current) {
        return Ok(());
    }
    match trial.probe_or_abandon(&trial.stage.current).await {
        Some(Ok(seen)) if !matches!(verdict_of(&seen), Seen::Unreachable { .. }) => {
            let seen = verdict_of(&seen);
            Err(Violation::of_rotator(format!("`probe` says {seen:?} of a target that does not answer")))
        }
        Some(Err(failure)) if failure.decision == Decision::Refused => {
            Err(Violation::of_rotator("`probe` says `Refused` of a target that does not answer"))
        }
        _ => Ok(()),
    }
}

/// A failure that says that nothing changed must not have changed anything.
async fn expect_honest(trial: &Trial<'_>, failure: &Failure) -> Result<(), Violation> {
    if failure.decision == Decision::Unknown || !trial.logs_in(Which::Candidate).await? {
        return Ok(());
    }
    let found = format!("`apply` answered {:?} (nothing changed), and the candidate works", failure.decision);
    Err(Violation::of_rotator(found))
}

/// The engine's way out of *unknown*: apply again, and verify.
async fn expect_recovery(trial: &mut Trial<'_>) -> Result<(), Violation> {
    trial.must_apply().await?;
    trial.must_verify().await?;
    trial.expect(Which::Candidate, true, "after `apply` was tried again").await
}

/// Await points that are tried for each operation; beyond them a real connection only repeats itself.
const MOST_CUTS: usize = 64;

/// `apply`, `revert` and `retire` are dropped at each await point in turn.
pub(super) async fn cancel(rig: &dyn Rig) -> Result<(), Violation> {
    for operation in [Operation::Apply, Operation::Revert, Operation::Retire] {
        for polls in 1..=MOST_CUTS {
            if cut_one(rig, operation, polls).await? == Cut::Finished {
                break;
            }
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Dropped,
    Finished,
}

/// Drops one operation of a fresh rotation after so many polls, clears up and looks.
pub(super) async fn cut_one(rig: &dyn Rig, operation: Operation, polls: usize) -> Result<Cut, Violation> {
    let mut trial = Trial::start(rig).await?;
    if operation == Operation::Revert && trial.declared.revertible == Revertible::No {
        return Ok(Cut::Finished);
    }
    if operation != Operation::Apply {
        trial.must_apply().await?;
    }
    let (rotator, cx, target, work) = (trial.rotator(), trial.cx(), &trial.stage.target, &trial.work);
    let (current, candidate) = (&trial.stage.current, &trial.candidate);
    let cut = match operation {
        Operation::Apply => dropped_after(polls, rotator.apply(&cx, target, work, candidate)).await,
        Operation::Revert => dropped_after(polls, rotator.revert(&cx, target, work, candidate)).await,
        _ => dropped_after(polls, rotator.retire(&cx, target, work, current, candidate)).await,
    };
    if cut == Cut::Finished {
        return Ok(cut);
    }
    let when = format!("after `{operation:?}` was dropped at await point {polls}, and `settle`");
    trial.must_settle().await?;
    let after = trial.snapshot().await?;
    let works = if operation == Operation::Retire { after.candidate } else { after.current || after.candidate };
    // A value that the target issued and that was lost on the way is made again below.
    if !works && !trial.candidate.expose().is_empty() {
        return Err(Violation::of_rotator(format!("{when}: locked out")));
    }
    trial.expect_truth(&when).await?;
    if operation == Operation::Apply {
        expect_recovery(&mut trial).await?;
    }
    Ok(cut)
}

async fn dropped_after<F: Future>(polls: usize, operation: F) -> Cut {
    CutAfter { operation: Box::pin(operation), left: polls }.await
}

struct CutAfter<F> {
    operation: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for CutAfter<F> {
    type Output = Cut;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cut> {
        if self.operation.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Cut::Finished);
        }
        self.left -= 1;
        if self.left == 0 { Poll::Ready(Cut::Dropped) } else { Poll::Pending }
    }
}

/// The change happens and its answer is lost.
pub(super) async fn reply_lost(rig: &dyn Rig) -> Result<(), Violation> {
    let mut trial = Trial::start(rig).await?;
    let (count, before) = (rig.count(&trial.stage).await?, rig.disturbed(&trial.stage).await?);
    rig.lose_reply(&trial.stage).await?;
    let answer = trial.apply_or_abandon().await;
    trial.expect_disturbed(before).await?;
    match answer {
        Some(Err(failure)) if failure.decision != Decision::Unknown => {
            let found = format!("`apply` answered {:?} where the answer was lost", failure.decision);
            return Err(Violation::of_rotator(found));
        }
        Some(Ok(applied)) => {
            // Found out by a second look of its own; then it must be so.
            if let Some((material, _)) = applied.issued {
                trial.candidate = material;
            }
            trial.expect(Which::Candidate, true, "after `apply` succeeded though the answer was lost").await?;
        }
        Some(Err(_)) | None => {}
    }
    trial.must_settle().await?;
    trial.expect_truth("after a lost answer and `settle`").await?;
    expect_recovery(&mut trial).await?;
    match (count, rig.count(&trial.stage).await?) {
        (Some(before), Some(after)) if after > before + 1 => {
            Err(Violation::of_rotator(format!("{} credentials where one was made: an orphan", after - before)))
        }
        _ => Ok(()),
    }
}

/// A change that waits inside the target when its client dies does not happen after `settle`.
pub(super) async fn dead_attempt(rig: &dyn Rig) -> Result<(), Violation> {
    let mut trial = Trial::start(rig).await?;
    let before = rig.disturbed(&trial.stage).await?;
    rig.hold(&trial.stage).await?;
    // Whatever it says: from here on this attempt is dead.
    let _ = trial.apply_or_abandon().await;
    let held = settled_while_held(&trial, before).await;
    // Let go in any case: a rig may serve other checks after this one.
    rig.let_go(&trial.stage).await?;
    sleep(rig.grace()).await;
    if let Some(settled) = held?
        && trial.snapshot().await? != settled
    {
        return Err(Violation::of_rotator("`settle` answered `Yes`, and the earlier attempt acted afterwards"));
    }
    trial.must_settle().await?;
    trial.expect_truth("after a dead attempt and `settle`").await?;
    expect_recovery(&mut trial).await
}

/// What the target accepts once `settle` has answered `Yes`; nothing if it only waits for the attempt to end.
async fn settled_while_held(trial: &Trial<'_>, before: u64) -> Result<Option<Snapshot>, Violation> {
    trial.expect_disturbed(before).await?;
    if trial.settles().await? { trial.snapshot().await.map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::FakeRig;

    #[tokio::test]
    async fn the_fake_is_really_cut_before_and_after_its_effect() {
        let rig = FakeRig::single();
        for operation in [Operation::Apply, Operation::Revert, Operation::Retire] {
            let mut cuts = 0;
            while cut_one(&rig, operation, cuts + 1).await == Ok(Cut::Dropped) {
                cuts += 1;
            }
            assert_eq!(cuts, 2, "{operation:?}");
        }
    }
}
