//! A master key that is rotated while the process is killed: whatever was reached, the store opens again.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::support::{
    daemon::{Daemon, PATIENCE},
    wait::eventually,
};

fn lines(daemon: &Daemon) -> Result<usize> {
    let text = fs::read_to_string(daemon.data().join("master.key")).context("read the keys")?;
    Ok(text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count())
}

#[tokio::test]
async fn a_kill_when_the_new_key_is_in_its_file_leaves_a_store_that_opens() -> Result<()> {
    let mut daemon = Daemon::start("").await?;
    for round in 0..5 {
        let before = lines(&daemon)?;
        // The command and the kill race on purpose: the kill comes as soon as the file is seen to have changed.
        let asking = daemon.cli(&["keys", "rotate"], None);
        let seen = eventually(PATIENCE, "the key is in its file", async || {
            lines(&daemon).ok().filter(|now| *now > before).map(|_| ())
        });
        let pid = daemon.pid()?;
        let (_told, killed) = tokio::join!(asking, async {
            seen.await?;
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).context("a process")?;
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).context("kill it")
        });
        killed?;
        daemon.wait().await?;
        daemon.serve().await.with_context(|| format!("round {round}"))?;
        daemon.cli_ok(&["keys", "rotate"], None).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_backup_opens_with_the_keys_and_not_without_them() -> Result<()> {
    let daemon = Daemon::start("").await?;
    let file = daemon.folder().join("backup.db").display().to_string();
    daemon.cli_ok(&["backup", "create", &file], None).await?;
    daemon.cli_ok(&["backup", "verify", &file], None).await?;
    let again = daemon.cli(&["backup", "create", &file], None).await?;
    ensure!(again.code() == 1 && again.stderr.contains("[backup-exists]"), "{again}");
    let other = Daemon::start("").await?;
    let refused = other.cli(&["backup", "verify", &file], None).await?;
    ensure!(refused.code() == 1 && refused.stderr.contains("[keyring-master-missing]"), "{refused}");
    let key = fs::read_to_string(daemon.data().join("master.key"))?;
    let secret = key.lines().last().context("a key")?.as_bytes();
    let bytes = fs::read(&file)?;
    ensure!(!bytes.windows(secret.len()).any(|part| part == secret), "the master key is in the backup");
    Ok(())
}
