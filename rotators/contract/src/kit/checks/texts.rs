//! The check that looks for secret values in everything that the rotator says.

use crate::kit::{
    Can, Rig, Violation,
    canary::Canaries,
    trial::{Trial, Which},
};

/// Whole rotations, as smooth and as disturbed as the rig can make them; then every text is searched.
pub(super) async fn no_secret_in_texts(rig: &dyn Rig) -> Result<(), Violation> {
    let (mut smooth, can) = (Trial::start(rig).await?, rig.capabilities());
    say_everything(&mut smooth).await?;
    expect_clean(&smooth)?;
    if can.refuse == Can::Yes {
        let mut refused = Trial::start(rig).await?;
        let before = rig.disturbed(&refused.stage).await?;
        rig.refuse_next(&refused.stage).await?;
        let _ = refused.apply().await;
        refused.expect_disturbed(before).await?;
        expect_clean(&refused)?;
    }
    if can.lose_reply == Can::Yes {
        let mut lost = Trial::start(rig).await?;
        rig.lose_reply(&lost.stage).await?;
        let _ = tokio::time::timeout(rig.deadline(), lost.apply()).await;
        expect_clean(&lost)?;
    }
    if can.accept_anything == Can::Yes {
        let open = Trial::start(rig).await?;
        rig.accept_anything(&open.stage).await?;
        let _ = open.preflight().await;
        expect_clean(&open)?;
    }
    Ok(())
}

/// Calls every operation of a rotation that goes well, and those that say more when they are misused.
async fn say_everything(trial: &mut Trial<'_>) -> Result<(), Violation> {
    let _ = trial.preflight().await;
    if !trial.candidate.expose().is_empty() {
        // Refused for now, and it says why.
        let _ = trial.verify_now().await;
    }
    trial.must_apply().await?;
    trial.must_verify().await?;
    for which in [Which::Candidate, Which::Current] {
        if trial.may_probe(which) {
            let _ = trial.probe(trial.credential(which)).await;
        }
    }
    let rotator = trial.rotator();
    trial.note("identity", &rotator.identity(&trial.stage.settings, &trial.candidate));
    trial.note("address", &rotator.address(&trial.stage.target.settings));
    trial.must_settle().await?;
    let _ = trial.must_revert().await;
    trial.must_apply().await?;
    let _ = trial.must_retire().await;
    // The same value as old and live: refused, or done; either is said.
    let (cx, target, live) = (trial.cx(), &trial.stage.target, &trial.candidate);
    trial.note("retire", &rotator.retire(&cx, target, &trial.work, live, live).await);
    Ok(())
}

fn expect_clean(trial: &Trial<'_>) -> Result<(), Violation> {
    let (public, mut canaries) = (trial.rig.public_fields(), Canaries::default());
    canaries.watch("current", &trial.stage.current, public);
    canaries.watch("candidate", &trial.candidate, public);
    for admin in &trial.stage.target.admins {
        canaries.watch("admin", admin, public);
    }
    if canaries.is_empty() {
        return Err(Violation::of_rig("the credentials have no secret text that could be looked for"));
    }
    for (operation, text) in trial.said() {
        if let Some(name) = canaries.found_in(&text) {
            return Err(Violation::of_rotator(format!("what `{operation}` says holds the value of `{name}`")));
        }
    }
    match canaries.found_in(&trial.rig.captured_logs()) {
        Some(name) => Err(Violation::of_rotator(format!("the log holds the value of `{name}`"))),
        None => Ok(()),
    }
}
