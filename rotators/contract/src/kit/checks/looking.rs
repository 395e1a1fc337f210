//! Checks of the operations that only look: what they say is true, and saying it changes nothing.

use crate::{
    CheckOutcome, Decision, FindingKind, Origin, Preflight, Probing, Seen, Verdict,
    kit::{
        Rig, Violation,
        property::must_overlap,
        trial::{Trial, Which},
    },
};

/// Origin, identity and overlap are as declared.
pub(super) async fn declaration_is_true(rig: &dyn Rig) -> Result<(), Violation> {
    let mut trial = Trial::start(rig).await?;
    let minted = !trial.candidate.expose().is_empty();
    if minted != (trial.declared.origin == Origin::MintedHere) {
        return Err(Violation::of_rotator(format!("`prepare` does not do as declared ({:?})", trial.declared.origin)));
    }
    trial.must_apply().await?;
    if trial.candidate.expose().is_empty() {
        return Err(Violation::of_rotator("after `apply` there is no candidate: neither minted nor issued"));
    }
    let identity = trial.rotator().identity(&trial.stage.settings, &trial.candidate);
    identity.map_err(|failure| trial.failed("identity", &failure))?;
    trial.must_verify().await?;
    if must_overlap(&trial.declared) {
        trial.expect(Which::Current, true, "after `apply`, within the declared overlap").await?;
    }
    Ok(())
}

/// After each operation that looks, the current credential works and the candidate does not.
pub(super) async fn looking_changes_nothing(rig: &dyn Rig) -> Result<(), Violation> {
    let trial = Trial::start(rig).await?;
    let before = trial.snapshot().await?;
    trial.expect_unchanged("after `prepare`").await?;
    // What they answer is judged elsewhere; here only what they leave behind.
    let _ = trial.preflight().await;
    trial.expect_unchanged("after `preflight`").await?;
    if !trial.candidate.expose().is_empty() {
        let _ = trial.verify_now().await;
        trial.expect_unchanged("after `verify`").await?;
    }
    for which in [Which::Candidate, Which::Current] {
        if trial.may_probe(which) {
            let _ = trial.probe(trial.credential(which)).await;
            trial.expect_unchanged("after `probe`").await?;
        }
    }
    trial.must_settle().await?;
    trial.expect_unchanged("after `settle`").await?;
    if trial.snapshot().await? == before {
        return Ok(());
    }
    Err(Violation::of_rotator("there are more or fewer credentials at the target than before"))
}

/// Preflight blocks where any password is let in, and does not where it is not.
pub(super) async fn negative_control(rig: &dyn Rig) -> Result<(), Violation> {
    let ordinary = Trial::start(rig).await?;
    let found = ordinary.preflight().await.map_err(|failure| ordinary.failed("preflight", &failure))?;
    if blocks(&found) {
        return Err(Violation::of_rotator("`preflight` blocks at an ordinary account"));
    }
    let open = Trial::start(rig).await?;
    rig.accept_anything(&open.stage).await?;
    if !rig.logs_in(&open.stage, &rig.forge(&open.stage.current)).await? {
        return Err(Violation::of_rig("a random credential is refused where the rig lets anything in"));
    }
    match open.preflight().await {
        Ok(found) if blocks(&found) => Ok(()),
        Ok(_) => Err(Violation::of_rotator("`preflight` passes where a random credential is let in")),
        Err(failure) if matches!(failure.decision, Decision::Misconfigured { .. }) => Ok(()),
        Err(failure) => Err(open.failed("preflight", &failure)),
    }
}

fn blocks(found: &Preflight) -> bool {
    found.findings.iter().any(|finding| finding.kind == FindingKind::Blocks)
        || found.checks.iter().any(|check| check.outcome == CheckOutcome::Failed)
}

/// `verify` does not praise a candidate that was never applied, and praises one that was.
pub(super) async fn verify_tells_the_truth(rig: &dyn Rig) -> Result<(), Violation> {
    let mut trial = Trial::start(rig).await?;
    if !trial.candidate.expose().is_empty() {
        let early = trial.rotator().verify(&trial.cx(), &trial.stage.target, &trial.work, &trial.candidate).await;
        if matches!(early, Ok(Verdict::Works { .. })) {
            return Err(Violation::of_rotator("`verify` says `Works` of a candidate that was not applied"));
        }
    }
    trial.must_apply().await?;
    trial.must_verify().await?;
    trial.expect(Which::Candidate, true, "after `verify` said `Works`").await?;
    match trial.verify_now().await? {
        Verdict::Works { endpoints } if endpoints.is_empty() => {
            Err(Violation::of_rotator("`verify` says `Works` and names no endpoint"))
        }
        _ => Ok(()),
    }
}

/// The truth table: candidate, current and random credentials, before and after `apply`.
pub(super) async fn probe_tells_the_truth(rig: &dyn Rig) -> Result<(), Violation> {
    let mut trial = Trial::start(rig).await?;
    trial.expect_truth("before `apply`").await?;
    expect_random_refused(&trial, Which::Current, "before `apply`").await?;
    trial.must_apply().await?;
    trial.must_verify().await?;
    trial.expect_truth("after `apply`").await?;
    expect_random_refused(&trial, Which::Candidate, "after `apply`").await
}

async fn expect_random_refused(trial: &Trial<'_>, like: Which, when: &str) -> Result<(), Violation> {
    // One refusal would do harm where the first one locks the account; where old credentials are dangerous to probe,
    // unknown ones may be.
    if trial.declared.locks_after == Some(1) || trial.declared.probing != Probing::Any {
        return Ok(());
    }
    match trial.probe(&trial.rig.forge(trial.credential(like))).await? {
        Seen::Refused { .. } => Ok(()),
        seen => Err(Violation::of_rotator(format!("{when}: `probe` says {seen:?} of a random credential"))),
    }
}
