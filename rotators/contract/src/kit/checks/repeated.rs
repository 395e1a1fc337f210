//! Checks of repeats and of the way back: every step twice, every undo twice, failure after each step.

use crate::kit::{
    Rig, Violation,
    trial::{Snapshot, Trial, Which},
};

/// Each operation but `revert` is repeated, and leaves what it left.
pub(super) async fn repeat_is_harmless(rig: &dyn Rig) -> Result<(), Violation> {
    let mut trial = Trial::start(rig).await?;
    let once = looked(&trial).await?;
    expect_same(once, looked(&trial).await?, "a second `prepare`, `preflight` or `settle`")?;

    trial.must_apply().await?;
    trial.must_verify().await?;
    let once = trial.snapshot().await?;
    trial.must_apply().await?;
    trial.must_verify().await?;
    expect_same(once, trial.snapshot().await?, "the second `apply`")?;
    trial.expect(Which::Candidate, true, "after the second `apply`").await?;
    trial.must_settle().await?;
    expect_same(once, trial.snapshot().await?, "`settle` after `apply`")?;

    trial.must_retire().await?;
    let once = trial.snapshot().await?;
    trial.must_retire().await?;
    expect_same(once, trial.snapshot().await?, "the second `retire`")
}

async fn looked(trial: &Trial<'_>) -> Result<Snapshot, Violation> {
    trial.prepare().await?;
    // What it answers is judged elsewhere.
    let _ = trial.preflight().await;
    trial.must_settle().await?;
    trial.snapshot().await
}

fn expect_same(before: Snapshot, after: Snapshot, of: &str) -> Result<(), Violation> {
    if before == after {
        return Ok(());
    }
    Err(Violation::of_rotator(format!("{of} changed what the target accepts: {before:?} became {after:?}")))
}

/// `revert` of a rotation of which nothing has reached the target.
pub(super) async fn revert_without_apply(rig: &dyn Rig) -> Result<(), Violation> {
    let trial = Trial::start(rig).await?;
    let before = trial.snapshot().await?;
    trial.must_revert().await?;
    trial.expect_unchanged("after `revert` without `apply`").await?;
    expect_same(before, trial.snapshot().await?, "`revert` without `apply`")
}

/// `revert` after `apply`, and again.
pub(super) async fn revert_twice(rig: &dyn Rig) -> Result<(), Violation> {
    let mut trial = Trial::start(rig).await?;
    trial.must_apply().await?;
    trial.must_revert().await?;
    trial.expect_unchanged("after `revert`").await?;
    let once = trial.snapshot().await?;
    trial.must_revert().await?;
    trial.expect_unchanged("after the second `revert`").await?;
    expect_same(once, trial.snapshot().await?, "the second `revert`")
}

/// How far a rotation came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Planned,
    Prepare,
    Apply,
    Verify,
}

/// A rotation stops after each of its steps, is settled and reverted; then the account is as it was, and rotates.
pub(super) async fn unwind_after_each_step(rig: &dyn Rig) -> Result<(), Violation> {
    for reached in [Reached::Planned, Reached::Prepare, Reached::Apply, Reached::Verify] {
        let mut trial = Trial::start_unprepared(rig).await?;
        let before = trial.snapshot().await?;
        if reached >= Reached::Prepare {
            trial.candidate = trial.prepare().await?;
        }
        if reached >= Reached::Apply {
            trial.must_apply().await?;
        }
        if reached >= Reached::Verify {
            trial.must_verify().await?;
        }
        trial.must_settle().await?;
        // Without a candidate nothing was sealed, and the engine has nothing to revert.
        if reached > Reached::Planned {
            trial.must_revert().await?;
        }
        let when = format!("after unwinding from {reached:?}");
        trial.expect_unchanged(&when).await?;
        trial.expect_truth(&when).await?;
        expect_same(before, trial.snapshot().await?, "unwinding")?;
    }
    Ok(())
}

/// After `retire` the live credential works and the old one does not.
pub(super) async fn retire_ends_the_old(rig: &dyn Rig) -> Result<(), Violation> {
    let mut trial = Trial::start(rig).await?;
    trial.must_apply().await?;
    trial.must_verify().await?;
    trial.must_retire().await?;
    trial.expect(Which::Candidate, true, "after `retire`, as the live one").await?;
    trial.expect(Which::Current, false, "after `retire`, as the old one").await
}
