//! Proof 6: killed while the master key, or the roots, are rotated.

mod proofs {
    use anyhow::{Context, Result, ensure};
    use serde_json::json;

    use crate::support::daemon::{Daemon, PATIENCE};
    use crate::support::preload::{Faults, When};
    use crate::support::proof::{Proof, count};
    use crate::support::random::Sampler;
    use crate::support::wait::eventually;

    /// Secrets that must stay readable.
    const SECRETS: u64 = 10;

    const KINDS: [&[&str]; 2] = [&["keys", "rotate"], &["keys", "rotate", "--roots"]];

    /// A daemon with secrets, and a plan that watches all of its files.
    async fn scene() -> Result<(Daemon, Faults)> {
        let daemon = Daemon::start("").await?;
        for i in 0..SECRETS {
            daemon.put_secret(&format!("kept/{i}"), json!({ "text": format!("value {i}") })).await?;
        }
        let folder = daemon.folder().join("faults");
        std::fs::create_dir(&folder).context("make a folder")?;
        let whole = daemon.data().join("");
        Ok((daemon, Faults::new(&folder).store(&whole)))
    }

    async fn restart(daemon: &mut Daemon, plan: &Faults) -> Result<()> {
        plan.forget();
        daemon.clear_env();
        daemon.set_envs(plan.env()?);
        daemon.restart().await
    }

    async fn prove_readable(daemon: &Daemon) -> Result<()> {
        for i in 0..SECRETS {
            let value = daemon.value_of(&format!("kept/{i}"), "").await?;
            ensure!(value["text"] == format!("value {i}"), "`kept/{i}` is read wrongly");
        }
        Ok(())
    }

    /// How many points a rotation of keys has.
    async fn points(daemon: &mut Daemon, faults: &Faults, command: &[&str]) -> Result<u64> {
        restart(daemon, faults).await?;
        faults.arm()?;
        daemon.cli_ok(command, None).await?;
        faults.disarm()?;
        let points = faults.record()?.len() as u64;
        ensure!(points >= 5, "only {points} points were recorded of {command:?}");
        Ok(points)
    }

    /// Answers whether the point was reached.
    async fn kill_at(daemon: &mut Daemon, plan: &Faults, command: &[&str]) -> Result<bool> {
        restart(daemon, plan).await?;
        plan.arm()?;
        let told = daemon.cli(command, None).await?;
        let is_dead = async || (!daemon.is_running()).then_some(());
        if told.code() != 0 {
            eventually(PATIENCE, "the daemon is dead", is_dead).await?;
        }
        plan.disarm()?;
        let was_reached = !daemon.is_running();
        daemon.forget_ended();
        ensure!(was_reached != plan.fired().is_empty(), "{:?}: {told}", plan.fired());
        Ok(was_reached)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_while_keys_are_rotated_leaves_every_secret_readable() -> Result<()> {
        let proof = Proof::begin("6", "kills while keys are rotated");
        let mut sampler = Sampler::new(proof.seed());
        let (mut daemon, faults) = scene().await?;
        let mut known = Vec::new();
        for command in KINDS {
            known.push((command, points(&mut daemon, &faults, command).await?));
        }
        let (mut kills, mut tries, owed) = (0, 0, count(20, 200));
        while kills < owed {
            // Two in three are of the master key.
            let (command, points) = known[usize::from(tries % 3 == 2)];
            let nth = 1 + sampler.below(points);
            let when = [When::Before, When::After, When::Torn][usize::try_from(sampler.below(3))?];
            let plan = faults.clone().kill(&format!("any:{nth}"), when);
            let at = || format!("{command:?} killed {when:?} point {nth} of {points}");
            kills += u64::from(kill_at(&mut daemon, &plan, command).await.with_context(at)?);
            restart(&mut daemon, &faults).await.with_context(at)?;
            prove_readable(&daemon).await.with_context(at)?;
            tries += 1;
            ensure!(tries < owed * 3, "{kills} of {tries} points were reached");
        }
        for command in KINDS {
            daemon.cli_ok(command, None).await?;
        }
        prove_readable(&daemon).await?;
        proof.end(kills, owed)
    }
}
