//! Proofs 15 and 19: a target that never answers, or slowly, with more work than it is allowed, beside a healthy one.

mod proofs {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use anyhow::{Result, ensure};
    use serde_json::json;

    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Mode, Proxy};
    use crate::support::scene::{FIRST, QUIET, SETTLING, Scene};
    use crate::support::wait::eventually;

    const PER_TARGET: usize = 2;
    const HEALTHY: usize = 16;

    /// What a piece waits each way: a login and a statement take about two seconds then.
    const SLOW: Duration = Duration::from_millis(120);

    #[tokio::test(flavor = "multi_thread")]
    async fn a_frozen_target_delays_no_rotation_of_a_healthy_one() -> Result<()> {
        let proof = Proof::begin("15", "healthy rotations beside a frozen target");
        let (scene, proxy) = scene(PER_TARGET * 10).await?;
        proxy.set(Mode::Freeze).await?;
        let done = rotate_all(&scene, PER_TARGET * 10).await?;
        let told = async || {
            let status = scene.daemon.status().await.ok()?;
            let alerts = status["alerts"].as_array()?.clone();
            alerts.iter().find(|alert| alert["kind"] == "target-unreachable")?["sentence"].as_str().map(str::to_owned)
        };
        let sentence = eventually(Duration::from_mins(1), "an alert names the target", told).await?;
        ensure!(sentence.contains("`cold`"), "the alert names another: {sentence}");
        end(&scene, &proxy).await?;
        proof.end(done, HEALTHY as u64)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_slow_target_delays_no_rotation_of_a_healthy_one() -> Result<()> {
        let proof = Proof::begin("19", "healthy rotations beside a slow target");
        let slow = usize::try_from(count(20, 100))?;
        let (scene, proxy) = scene(slow).await?;
        proxy.set(Mode::Delay { per_chunk: SLOW }).await?;
        let done = rotate_all(&scene, slow).await?;
        // Slow is not dead: its rotations succeed, and nobody is told otherwise.
        let one_is_done = async || (scene.daemon.secret("cold0").await.ok()?["version"] == 2).then_some(());
        eventually(SETTLING, "a rotation of the slow target is done", one_is_done).await?;
        ensure!(proxy.counts().delayed > 0 && scene.daemon.alerts().await?.is_empty(), "an alert is open");
        end(&scene, &proxy).await?;
        proof.end(done, HEALTHY as u64)
    }

    /// A daemon with roles at the target `cold` behind a proxy, and with others at the healthy `pg`.
    async fn scene(cold: usize) -> Result<(Scene, Proxy)> {
        let config = format!("{QUIET}tasks = 6\nper_target = {PER_TARGET}\nbreaker_after = 3\n");
        let scene = Scene::start(&config).await?;
        let proxy = Proxy::start((Ipv4Addr::LOCALHOST, scene.server.port()).into()).await?;
        scene.add_target("cold", proxy.address().port()).await?;
        for role in names("cold", cold) {
            scene.server.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD '{FIRST}'"));
            scene.adopt("cold", &role, json!({ "strategy": "single", "role": role }), &role).await?;
        }
        for role in names("warm", HEALTHY) {
            scene.adopt_single(&role).await?;
        }
        Ok((scene, proxy))
    }

    fn names(stem: &str, count: usize) -> Vec<String> {
        (0..count).map(|i| format!("{stem}{i}")).collect()
    }

    /// Rotates at both targets at once; answers how many of the healthy one finished in time.
    async fn rotate_all(scene: &Scene, cold: usize) -> Result<u64> {
        for names in [names("cold", cold), names("warm", HEALTHY)] {
            scene.daemon.rotate(&names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        }
        let begun = Instant::now();
        let limit = Duration::from_secs(count(15, 600));
        let mut done = 0;
        for role in names("warm", HEALTHY) {
            let published = async || (scene.daemon.secret(&role).await.ok()?["version"] == 2).then_some(());
            eventually(limit.saturating_sub(begun.elapsed()), "each healthy rotation finishes", published).await?;
            done += 1;
        }
        Ok(done)
    }

    /// The other target is as fast as the healthy one again, and all comes to its end.
    async fn end(scene: &Scene, proxy: &Proxy) -> Result<()> {
        proxy.set(Mode::Pass).await?;
        scene.daemon.settle(SETTLING * 3).await?;
        scene.settle_and_prove().await.map(drop)
    }
}
