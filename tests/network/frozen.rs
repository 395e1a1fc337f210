//! Proofs 15 and 19: a target that never answers, or slowly, with more work than it is allowed, beside a healthy one.

mod proofs {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use anyhow::{Result, ensure};
    use serde_json::json;

    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Mode, Proxy};
    use crate::support::scene::{QUIET, SETTLING, Scene};
    use crate::support::wait::eventually;

    const PER_TARGET: usize = 2;
    const HEALTHY: usize = 16;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_frozen_target_delays_no_rotation_of_a_healthy_one() -> Result<()> {
        let proof = Proof::begin("15", "healthy rotations beside a frozen target");
        let done = beside(Mode::Freeze).await?;
        proof.end(done, HEALTHY as u64)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_slow_target_delays_no_rotation_of_a_healthy_one() -> Result<()> {
        let proof = Proof::begin("19", "healthy rotations beside a slow target");
        let done = beside(Mode::Delay { per_chunk: Duration::from_secs(2) }).await?;
        proof.end(done, HEALTHY as u64)
    }

    /// Rotates at both targets at once; answers how many of the healthy one finished in time.
    async fn beside(mode: Mode) -> Result<u64> {
        let config = format!("{QUIET}tasks = 6\nper_target = {PER_TARGET}\nbreaker_after = 3\n");
        let scene = Scene::start(&config).await?;
        let proxy = Proxy::start((Ipv4Addr::LOCALHOST, scene.server.port()).into()).await?;
        scene.add_target("cold", proxy.address().port()).await?;
        let names = |stem: &str, count: usize| (0..count).map(|i| format!("{stem}{i}")).collect::<Vec<_>>();
        let (frozen, healthy) = (names("cold", PER_TARGET * 10), names("warm", HEALTHY));
        for (target, role) in frozen.iter().map(|role| ("cold", role)).chain(healthy.iter().map(|role| ("pg", role))) {
            scene.server.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD '{}'", crate::support::scene::FIRST));
            scene.adopt(target, role, json!({ "strategy": "single", "role": role }), role).await?;
        }
        proxy.set(mode).await?;
        let as_text = |names: &[String]| names.to_vec();
        for names in [as_text(&frozen), as_text(&healthy)] {
            scene.daemon.rotate(&names.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        }
        let begun = Instant::now();
        let limit = Duration::from_secs(count(15, 600));
        let mut done = 0;
        for role in &healthy {
            let published = async || (scene.daemon.secret(role).await.ok()?["version"] == 2).then_some(());
            eventually(limit.saturating_sub(begun.elapsed()), "each healthy rotation finishes", published).await?;
            done += 1;
        }
        let told = async || {
            let status = scene.daemon.status().await.ok()?;
            let alerts = status["alerts"].as_array()?.clone();
            alerts.iter().find(|alert| alert["kind"] == "target-unreachable")?["sentence"].as_str().map(str::to_owned)
        };
        let sentence = eventually(Duration::from_mins(1), "an alert names the target", told).await?;
        ensure!(sentence.contains("`cold`"), "the alert names another: {sentence}");
        proxy.set(Mode::Pass).await?;
        scene.daemon.settle(SETTLING * 3).await?;
        scene.settle_and_prove().await?;
        Ok(done)
    }
}
