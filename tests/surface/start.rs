//! Starts that must be refused, each with a code and the command that helps.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, ensure};

use crate::support::daemon::Daemon;

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).context("change a mode")
}

/// Starts a daemon that is meant to refuse; answers what it printed.
async fn refusal(daemon: &mut Daemon) -> Result<String> {
    daemon.spawn()?;
    let status = daemon.wait().await?;
    ensure!(status.code() == Some(1), "it ended with {status}");
    Ok(daemon.stderr())
}

#[tokio::test]
async fn init_makes_private_files_and_overwrites_none() -> Result<()> {
    let daemon = Daemon::new("")?;
    daemon.init().await?;
    let mode = |path: &Path| Ok::<_, anyhow::Error>(fs::metadata(path)?.permissions().mode() & 0o777);
    ensure!(mode(&daemon.data())? == 0o700);
    for name in ["master.key", "keywheel.db"] {
        ensure!(mode(&daemon.data().join(name))? == 0o600, "{name}");
    }
    let key = fs::read(daemon.data().join("master.key"))?;
    let again = daemon.cli(&["init"], None).await?;
    ensure!(again.code() == 1 && again.stderr.contains("[init-exists]") && again.stderr.contains("hint: "), "{again}");
    ensure!(fs::read(daemon.data().join("master.key"))? == key);
    Ok(())
}

#[tokio::test]
async fn an_init_that_cannot_read_its_keys_leaves_nothing() -> Result<()> {
    let daemon = Daemon::new("[keys]\nsource = \"environment\"\nvariable = \"NOT_THERE\"\n")?;
    let output = daemon.cli(&["init"], None).await?;
    ensure!(output.code() == 1 && output.stderr.contains("[master-no-variable]"), "{output}");
    daemon.write_config("")?;
    daemon.init().await
}

#[tokio::test]
async fn what_others_reach_is_refused_with_the_command_that_helps() -> Result<()> {
    let mut daemon = Daemon::new("")?;
    daemon.init().await?;
    set_mode(&daemon.data(), 0o750)?;
    let told = refusal(&mut daemon).await?;
    ensure!(told.contains("[data-dir-mode]") && told.contains("chmod 700"), "{told}");
    set_mode(&daemon.data(), 0o700)?;
    set_mode(&daemon.store(), 0o644)?;
    let told = refusal(&mut daemon).await?;
    ensure!(told.contains("chmod 600"), "{told}");
    set_mode(&daemon.store(), 0o600)?;
    daemon.serve().await
}

#[tokio::test]
async fn the_second_daemon_is_told_which_process_has_the_directory() -> Result<()> {
    let daemon = Daemon::start("").await?;
    let second = daemon.cli(&["serve"], None).await?;
    let who = format!("process {}", daemon.pid()?);
    ensure!(second.code() == 1 && second.stderr.contains("[data-dir-locked]"), "{second}");
    ensure!(second.stderr.contains(&who), "{second}");
    daemon.cli_ok(&["status"], None).await.map(drop)
}

#[tokio::test]
async fn a_daemon_with_another_master_key_does_not_start_and_changes_nothing() -> Result<()> {
    let other = Daemon::new("")?;
    other.init().await?;
    let mut daemon = Daemon::new("")?;
    daemon.init().await?;
    let key = daemon.data().join("master.key");
    let own = fs::read(&key)?;
    fs::write(&key, fs::read(other.data().join("master.key"))?)?;
    let told = refusal(&mut daemon).await?;
    ensure!(told.contains("[keyring-master-missing]") && told.contains("hint: "), "{told}");
    fs::write(&key, own)?;
    daemon.serve().await
}

#[tokio::test]
async fn a_first_signal_ends_the_daemon_with_status_0_and_without_a_socket() -> Result<()> {
    let mut daemon = Daemon::start("").await?;
    ensure!(daemon.data().join("ballast").metadata()?.len() == 8 << 20);
    let status = daemon.terminate().await?;
    ensure!(status.code() == Some(0), "{status}");
    ensure!(!daemon.socket().exists());
    daemon.serve().await
}

#[tokio::test]
async fn nobody_writes_a_core_of_the_daemon() -> Result<()> {
    let daemon = Daemon::start("").await?;
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid()?))?;
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).context("a limit")?;
    ensure!(core.split_whitespace().filter(|word| *word == "0").count() == 2, "{core}");
    Ok(())
}
