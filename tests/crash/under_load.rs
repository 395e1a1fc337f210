//! Proof 3: killed at random while many roles rotate.

mod proofs {
    use std::time::{Duration, Instant};

    use anyhow::{Result, ensure};
    use futures_util::future::try_join_all;

    use crate::support::proof::{Proof, count};
    use crate::support::random::Sampler;
    use crate::support::scene::{QUIET, SETTLING, Scene};
    use crate::support::wait::{eventually, never};

    /// Promised is a second; asserted is five times that.
    const WRONG_AT_MOST: Duration = Duration::from_secs(5);

    /// The secrets whose rotation was under way when the daemon died.
    async fn interrupted(scene: &Scene) -> Result<Vec<String>> {
        let open = scene.daemon.ask("GET", "/rotations?open=true", None).await?;
        let lines = open["items"].as_array().cloned().unwrap_or_default();
        Ok(lines.iter().filter_map(|line| line["secret"].as_str()).map(str::to_owned).collect())
    }

    /// For how long after the restart a value was served that does not log in.
    async fn served_wrong(scene: &Scene) -> Result<Duration> {
        let ready = Instant::now();
        let names = interrupted(scene).await?;
        let mut wrong = Duration::ZERO;
        for name in names {
            if scene.served_logs_in(&name).await? {
                continue;
            }
            let right = async || scene.served_logs_in(&name).await.is_ok_and(|works| works).then_some(());
            eventually(SETTLING, "what is served logs in", right).await?;
            wrong = wrong.max(ready.elapsed());
        }
        Ok(wrong)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_under_load_leaves_no_wrong_value_served_for_long() -> Result<()> {
        let proof = Proof::begin("3", "kills under load");
        let mut sampler = Sampler::new(proof.seed());
        let mut scene = Scene::start(QUIET).await?;
        let roles: Vec<String> = (0..count(100, 1000)).map(|i| format!("app{i}")).collect();
        for some in roles.chunks(8) {
            try_join_all(some.iter().map(|role| scene.adopt_single(role))).await?;
        }
        let names: Vec<&str> = roles.iter().map(String::as_str).collect();
        let (mut kills, owed, mut longest, mut affected) = (0, count(20, 10_000), Duration::ZERO, 0);
        while kills < owed {
            scene.daemon.rotate(&names).await?;
            let pause = Duration::from_millis(20 + sampler.below(500));
            never(pause, "an end that nobody asked for", async || (!scene.daemon.is_running()).then_some(())).await?;
            scene.daemon.restart().await?;
            let wrong = served_wrong(&scene).await?;
            ensure!(wrong <= WRONG_AT_MOST, "a wrong value was served for {wrong:?}");
            affected += u64::from(!wrong.is_zero());
            longest = longest.max(wrong);
            kills += 1;
        }
        #[expect(clippy::print_stderr, reason = "a proof prints its figure")]
        {
            eprintln!("served but wrong after {affected} of {kills} kills, {longest:?} at most");
        }
        scene.daemon.settle(SETTLING * 4).await?;
        scene.settle_and_prove().await?;
        proof.end(kills, owed)
    }
}
