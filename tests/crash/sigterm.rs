//! Proof 8: asked to stop while rotations run.

mod proofs {
    use std::time::{Duration, Instant};

    use anyhow::{Context, Result, ensure};

    use crate::support::oracle::judge_stopped;
    use crate::support::proof::{Proof, count};
    use crate::support::proxy::Mode;
    use crate::support::random::Sampler;
    use crate::support::scene::{QUIET, SETTLING, Scene};
    use crate::support::wait::never;

    const ROLES: [&str; 4] = ["app0", "app1", "app2", "app3"];

    /// After how many stops what was begun may come to its end.
    const REST: u64 = 5;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_daemon_that_is_asked_to_stop_ends_well_and_holds_nothing() -> Result<()> {
        let proof = Proof::begin("8", "stops in the middle of rotations");
        let mut sampler = Sampler::new(proof.seed());
        let (mut scene, proxy) = Scene::behind_proxy(QUIET).await?;
        for role in ROLES {
            scene.adopt_single(role).await?;
        }
        proxy.set(Mode::Delay { per_chunk: Duration::from_millis(10) }).await?;
        let (mut stops, owed) = (0, count(20, 200));
        while stops < owed {
            scene.daemon.rotate(&ROLES).await?;
            let pause = Duration::from_millis(sampler.below(400));
            never(pause, "an end that nobody asked for", async || (!scene.daemon.is_running()).then_some(())).await?;
            let asked = Instant::now();
            let status = scene.daemon.terminate().await?;
            ensure!(asked.elapsed() < Duration::from_secs(10), "it took {:?} to stop", asked.elapsed());
            ensure!(status.code() == Some(0), "it ended with {status}: {}", scene.daemon.stderr());
            let verdict = judge_stopped(&scene.daemon).await?;
            ensure!(verdict.violations.is_empty(), "{:?}", verdict.violations);
            scene.daemon.serve().await?;
            stops += 1;
            if stops % REST == 0 {
                scene.daemon.settle(SETTLING).await.with_context(|| format!("after stop {stops}"))?;
            }
        }
        proxy.set(Mode::Pass).await?;
        scene.settle_and_prove().await?;
        proof.end(stops, owed)
    }
}
