//! Proof 5: the target's server dies at a message of a rotation and comes back by itself.

mod proofs {
    use std::fs;
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};
    use rustix::process::{Pid, Signal, kill_process};

    use crate::support::proof::{Proof, count};
    use crate::support::proxy::{Mode, Proxy};
    use crate::support::random::Sampler;
    use crate::support::scene::{QUIET, SETTLING, Scene};
    use crate::support::wait::eventually;

    /// Long enough to strike between two messages.
    const PIECE: Duration = Duration::from_millis(20);

    /// Kills a child of the postmaster, which then ends all others, recovers and serves again.
    fn crash(scene: &Scene) -> Result<()> {
        let postmaster = scene.server.pid().to_string();
        for entry in fs::read_dir("/proc")?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent = stat.rsplit(')').next().unwrap_or_default().split_whitespace().nth(1).map(str::to_owned);
            if parent.as_deref() == Some(postmaster.as_str()) {
                let pid = name.parse().ok().and_then(Pid::from_raw).context("a process id")?;
                return kill_process(pid, Signal::KILL).context("kill a process of the server");
            }
        }
        anyhow::bail!("the server has no process to kill")
    }

    async fn crash_after(scene: &Scene, proxy: &Proxy, bytes: u64) -> Result<()> {
        // A session that waits for the next change would spare this one the login, whose messages are owed too.
        proxy.hang_up();
        proxy.set(Mode::Delay { per_chunk: PIECE }).await?;
        scene.daemon.rotate(&["app"]).await?;
        let passed = async || (proxy.bytes_since_set().0 >= bytes).then_some(());
        eventually(SETTLING, "the message has passed", passed).await?;
        crash(scene)?;
        scene.daemon.settle(SETTLING).await?;
        proxy.set(Mode::Pass).await?;
        let answers =
            async || scene.server.psql("postgres", crate::support::postgres::ADMIN_PASSWORD, "postgres", "").ok();
        eventually(SETTLING, "the server answers again", answers).await?;
        ensure!(scene.served_logs_in("app").await?, "what is served does not log in");
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_that_dies_at_any_message_locks_nobody_out() -> Result<()> {
        let proof = Proof::begin("5", "deaths of the target's server");
        let mut sampler = Sampler::new(proof.seed());
        let (scene, proxy) = Scene::behind_proxy(QUIET).await?;
        scene.adopt_single("app").await?;
        proxy.set(Mode::Delay { per_chunk: PIECE }).await?;
        scene.daemon.rotate(&["app"]).await?;
        scene.daemon.settle(SETTLING).await?;
        let whole = proxy.bytes_since_set().0;
        let (mut deaths, owed) = (0, count(15, 500));
        while deaths < owed {
            let bytes = sampler.below(whole);
            crash_after(&scene, &proxy, bytes).await.with_context(|| format!("after {bytes} of {whole} bytes"))?;
            deaths += 1;
        }
        scene.settle_and_prove().await?;
        proof.end(deaths, owed)
    }
}
