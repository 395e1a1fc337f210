//! Proof 31: the disk is full at a write of a rotation, one time or until it is mended.

mod proofs {
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};

    use crate::crash::points::{Walk, writes};
    use crate::support::preload::{Faults, Lasting};
    use crate::support::proof::{Proof, count};
    use crate::support::scene::{FIRST, QUIET, SETTLING, Scene};
    use crate::support::wait::eventually;

    /// One rotation whose store runs full. Afterwards there is room again, and nobody restarts anything.
    async fn run_full(walk: &mut Walk, plan: &Faults) -> Result<()> {
        walk.again(plan).await?;
        plan.arm()?;
        let asked = walk.ask().await;
        let has_fired = async || (!plan.fired().is_empty()).then_some(());
        eventually(SETTLING, "the disk is full", has_fired).await?;
        ensure!(walk.scene.daemon.status().await?["managed"] == 1, "the store cannot be read");
        let read = walk.scene.daemon.value_of("app", "").await;
        let is_told = |error: &anyhow::Error| format!("{error:#}").contains("store-full");
        ensure!(read.as_ref().err().is_none_or(is_told), "a read failed otherwise: {read:?}");
        plan.disarm()?;
        if let Err(error) = asked {
            ensure!(is_told(&error), "the request was refused otherwise: {error:#}");
            let again = async || walk.ask().await.ok();
            eventually(Duration::from_secs(20), "requests are taken again", again).await?;
        }
        let verdict = walk.scene.settle_and_prove().await?;
        ensure!(verdict.count("rotations") >= 1, "nothing was rotated");
        ensure!(walk.scene.daemon.secret("app").await?["version"] == 2, "no new version");
        Ok(())
    }

    #[ignore = "not steady: red once in the case of a bounded room; see docs/proofs.md"]
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_loses_nothing_and_needs_no_restart() -> Result<()> {
        let proof = Proof::begin("31", "writes that found the disk full");
        let scene = Scene::start(QUIET).await?;
        scene.adopt_single("app").await?;
        let mut walk = Walk::begin(scene, "app", vec![("app".to_owned(), FIRST)]).await?;
        let points = walk.record().await?;
        let all = count(0, 1) > 0;
        let mut plans = Vec::new();
        for spot in writes(&points, (!all).then_some(proof.seed())) {
            plans.push(walk.faults.clone().error(&spot, "ENOSPC", Lasting::Once));
            plans.push(walk.faults.clone().error(&spot, "ENOSPC", Lasting::Forever));
        }
        for kilobytes in if all { (0..200).collect() } else { vec![0, 20, 60] } {
            plans.push(walk.faults.clone().room(kilobytes * 1024));
        }
        let (mut full, owed) = (0, plans.len() as u64);
        for plan in plans {
            run_full(&mut walk, &plan).await.with_context(|| format!("{plan:?}\n{}", walk.scene.daemon.stderr()))?;
            full += 1;
        }
        proof.end(full, owed)
    }
}
