//! Proofs 32 and 33: an I/O error at the n-th call of a rotation or of a new secret; a sync that failed.

mod proofs {
    use anyhow::{Context, Result, ensure};
    use serde_json::json;

    use crate::crash::points::{Walk, syncs, writes};
    use crate::support::preload::{Faults, Lasting};
    use crate::support::proof::{Proof, count};
    use crate::support::scene::{FIRST, QUIET, Scene};

    async fn walk() -> Result<Walk> {
        let scene = Scene::start(QUIET).await?;
        scene.adopt_single("app").await?;
        Walk::begin(scene, "app", vec![("app".to_owned(), FIRST)]).await
    }

    /// The daemon stops writing, says so, and ends by itself, without a further sync of the file that failed.
    async fn expect_end(walk: &mut Walk, plan: &Faults) -> Result<()> {
        let status = walk.scene.daemon.wait().await.context("the daemon goes on")?;
        ensure!(status.code() == Some(1), "it ended with {status}");
        let points = plan.record()?;
        let failed = points.iter().position(|point| point.result < 0).context("no point failed")?;
        let later: Vec<_> =
            points[failed + 1..].iter().filter(|p| p.kind == "sync" && p.label.ends_with("wal")).collect();
        ensure!(later.is_empty(), "synced again after a failure: {later:?}");
        plan.disarm()
    }

    /// Answers whether the point was reached: ids are random, and so may be what one write holds.
    async fn fail_a_rotation(walk: &mut Walk, plan: &Faults) -> Result<bool> {
        walk.again(plan).await?;
        plan.arm()?;
        let asked = walk.ask().await;
        // What fails after the publish lets the rotation look settled for the moment before the daemon ends.
        if !walk.until_dead_or_settled().await? && plan.fired().is_empty() {
            return Ok(false);
        }
        expect_end(walk, plan).await?;
        walk.recover().await?;
        if asked.is_ok() {
            ensure!(walk.scene.daemon.secret("app").await?["version"] == 2, "an acknowledged request was lost");
        }
        Ok(true)
    }

    /// Tries a point until it is reached, three times at most.
    async fn fail_at(walk: &mut Walk, spot: &str, lasting: Lasting) -> Result<()> {
        let plan = walk.faults.clone().error(spot, "EIO", lasting);
        for _ in 0..3 {
            if fail_a_rotation(walk, &plan).await.with_context(|| format!("{spot} {lasting:?}"))? {
                return Ok(());
            }
        }
        anyhow::bail!("{spot} was not reached")
    }

    async fn fail_a_put(walk: &mut Walk, plan: &Faults) -> Result<bool> {
        walk.again(plan).await?;
        plan.arm()?;
        let put = walk.scene.daemon.put_secret("other", json!({ "text": "kept" })).await;
        if plan.fired().is_empty() {
            plan.disarm()?;
            return put.map(|_| false);
        }
        expect_end(walk, plan).await?;
        walk.recover().await?;
        match (put, walk.scene.daemon.value_of("other", "").await) {
            (Ok(_), read) => ensure!(read?["text"] == "kept"),
            (Err(_), Ok(read)) => ensure!(read["text"] == "kept"),
            (Err(_), Err(error)) => ensure!(format!("{error:#}").contains("404"), "{error:#}"),
        }
        Ok(true)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_error_of_the_disk_ends_the_daemon_and_loses_nothing() -> Result<()> {
        let proof = Proof::begin("32", "errors of the disk in a rotation and in a new secret");
        let mut walk = walk().await?;
        let points = walk.record().await?;
        let seed = (count(0, 1) == 0).then_some(proof.seed());
        let mut failed = 0;
        for spot in writes(&points, seed) {
            for lasting in [Lasting::Once, Lasting::Forever] {
                fail_at(&mut walk, &spot, lasting).await?;
                failed += 1;
            }
        }
        let step = if seed.is_some() { 4 } else { 1 };
        for nth in (1..).step_by(step) {
            let plan = walk.faults.clone().error(&format!("any@keywheel.db-wal:{nth}"), "EIO", Lasting::Once);
            if !fail_a_put(&mut walk, &plan).await.with_context(|| format!("call {nth} of a put"))? {
                break;
            }
            failed += 1;
        }
        proof.end(failed, 20)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_sync_that_failed_is_never_repeated_and_called_a_success() -> Result<()> {
        let proof = Proof::begin("33", "failed syncs");
        let mut walk = walk().await?;
        let points = walk.record().await?;
        let (spots, mut failed) = (syncs(&points), 0);
        for spot in &spots {
            fail_at(&mut walk, spot, Lasting::Once).await?;
            failed += 1;
        }
        proof.end(failed, spots.len() as u64)
    }
}
