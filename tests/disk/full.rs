//! Proof 31: the disk is full at a write of a rotation, one time or until it is mended.

mod proofs {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};

    use crate::crash::points::{Walk, writes};
    use crate::crash::walkers::{Store, Strategy, WALKERS, share, walkers};
    use crate::support::preload::Lasting;
    use crate::support::proof::{Proof, count};
    use crate::support::scene::SETTLING;
    use crate::support::wait::eventually;

    /// How the disk is full.
    #[derive(Debug)]
    enum Fault {
        Error(String, Lasting),
        Room(u64),
    }

    /// One rotation whose store runs full. Afterwards there is room again, and nobody restarts anything. Answers
    /// whether it ran full: what a rotation writes over in the log takes no room, so any room may be enough; and the
    /// last writes that were recorded are not made where transactions happened to share a commit.
    async fn run_full(walk: &mut Walk, fault: Fault) -> Result<bool> {
        let plan = match &fault {
            Fault::Error(spot, lasting) => walk.faults.clone().error(spot, "ENOSPC", *lasting),
            Fault::Room(bytes) => walk.faults.clone().room(*bytes),
        };
        walk.again(&plan).await?;
        plan.arm()?;
        let asked = walk.ask().await;
        let has_fired = async || match plan.fired().is_empty() {
            false => Some(true),
            true if walk.scene.daemon.is_settled().await => Some(!plan.fired().is_empty()),
            true => None,
        };
        let is_full = eventually(SETTLING, "the disk is full", has_fired).await?;
        ensure!(walk.scene.daemon.status().await?["managed"] == 1, "the store cannot be read");
        let read = walk.scene.daemon.value_of(&walk.name, "").await;
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
        ensure!(walk.scene.daemon.secret(&walk.name).await?["version"] == 2, "no new version");
        Ok(is_full)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_loses_nothing_and_needs_no_restart() -> Result<()> {
        let proof = Proof::begin("31", "writes that found the disk full");
        let mut walkers = walkers(Strategy::Single, Store::Sqlite, WALKERS).await?;
        let points = walkers[0].record().await?;
        let all = count(0, 1) > 0;
        let mut faults = Vec::new();
        for spot in writes(&points, (!all).then_some(proof.seed())) {
            faults.extend([Lasting::Once, Lasting::Forever].map(|lasting| Fault::Error(spot.clone(), lasting)));
        }
        let kilobytes = if all { (0..200).collect() } else { vec![0, 20, 60] };
        faults.extend(kilobytes.into_iter().map(|kilobytes| Fault::Room(kilobytes * 1024)));
        let is_write = |fault: &&Fault| matches!(fault, Fault::Error(..));
        let owed = faults.iter().filter(is_write).count() as u64 * 3 / 4;
        let full = AtomicU64::new(0);
        let work = async |walk: &mut Walk, fault: Fault| {
            let named = format!("{fault:?}");
            let ran = run_full(walk, fault).await.with_context(|| format!("{named}\n{}", walk.scene.daemon.stderr()));
            full.fetch_add(u64::from(ran?), Ordering::SeqCst);
            Ok(())
        };
        share(walkers, faults, work).await?;
        proof.end(full.into_inner(), owed)
    }
}
