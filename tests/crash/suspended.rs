//! Proof 29: a daemon that stands still for longer than its claim, beside another one on the same store.

mod proofs {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};

    use crate::support::daemon::Daemon;
    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Mode, Proxy};
    use crate::support::random::Sampler;
    use crate::support::scene::{SETTLING, Scene, start_server};
    use crate::support::wait::{eventually, never};

    /// Claim and deadline are 6 s together: so late is a second look, and then a stale change is mended.
    const MENDED: Duration = Duration::from_secs(30);

    /// Long enough that every step is met.
    const PIECE: Duration = Duration::from_millis(15);

    /// What the suspensions led to.
    #[derive(Debug, Default)]
    struct Seen {
        cycles: u64,
        /// Rotations that changed hands.
        taken_over: u64,
        /// Stale changes that reached the target.
        mended: u64,
    }

    async fn replicas() -> Result<(Scene, Daemon, Proxy)> {
        let server = start_server().await?;
        let proxy = Proxy::start((Ipv4Addr::LOCALHOST, server.port()).into()).await?;
        let scene = Scene::on_postgres(server, "kept", proxy.address().port()).await?;
        scene.adopt_single("app").await?;
        let other = scene.replica().await?;
        Ok((scene, other, proxy))
    }

    /// Has one of them begin a rotation while the other sleeps; then they change places, and at last both are awake.
    /// Answers whether the rotation changed hands.
    async fn suspend(first: &Daemon, second: &Daemon, pause: Duration) -> Result<bool> {
        second.suspend().await?;
        first.rotate(&["app"]).await?;
        never(pause, "nothing", async || None::<()>).await?;
        first.suspend().await?;
        second.resume()?;
        let settled = second.settle(SETTLING).await;
        first.resume()?;
        settled?;
        first.settle(SETTLING).await?;
        Ok(first.journal("app").await?.iter().any(|kind| kind == "taken_over"))
    }

    async fn cycle(scene: &Scene, other: &Daemon, pause: Duration, seen: &mut Seen) -> Result<()> {
        let (first, second) = if seen.cycles % 2 == 0 { (&scene.daemon, other) } else { (other, &scene.daemon) };
        seen.taken_over += u64::from(suspend(first, second, pause).await?);
        if !scene.served_logs_in("app").await? {
            let right = async || scene.served_logs_in("app").await.is_ok_and(|works| works).then_some(());
            eventually(MENDED, "a stale change is found and mended", right).await?;
            seen.mended += 1;
        }
        seen.cycles += 1;
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_daemon_that_stood_still_past_its_claim_changes_nothing_that_is_not_mended() -> Result<()> {
        let proof = Proof::begin("29", "suspensions past a claim of a second");
        let mut sampler = Sampler::new(proof.seed());
        let (scene, other, proxy) = replicas().await?;
        proxy.set(Mode::Delay { per_chunk: PIECE }).await?;
        let (mut seen, owed) = (Seen::default(), count(20, 1000));
        while seen.cycles < owed {
            let pause = Duration::from_millis(20 + sampler.below(450));
            let cycled = cycle(&scene, &other, pause, &mut seen).await;
            cycled.with_context(|| format!("{pause:?}, {seen:?}\n{}\n{}", scene.daemon.stderr(), other.stderr()))?;
        }
        proof.figure(&format!("{seen:?}"))?;
        ensure!(seen.taken_over >= owed / 3, "too few changed hands: {seen:?}");
        proxy.set(Mode::Pass).await?;
        scene.settle_and_prove().await?;
        proof.end(seen.cycles, owed)
    }
}
