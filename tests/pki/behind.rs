//! Servers that reload late, in part or not at all, and hooks that hang.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::world::{HOST, World};
use crate::support::nginx::{Nginx, presented};
use crate::support::wait::eventually;

/// Verification waits longer than the slow reload takes.
const PATIENT: &str = "[engine]\nverify_for = \"30s\"\n";
/// A short step, so that a test of hooks that hang ends soon.
const SHORT: &str = "[engine]\nverify_for = \"4s\"\nstep_deadline = \"2s\"\n";

fn hook(name: &str, script: &str, timeout: &str) -> String {
    format!("[[hook]]\nname = \"{name}\"\nargv = [\"/bin/sh\", \"-c\", \"{script}\"]\ntimeout = \"{timeout}\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_reloads_three_seconds_late_is_waited_for() -> Result<()> {
    let nginx = Nginx::prepare(2)?;
    let late = format!("(timeout 3 tail -f /dev/null; sh {}) > /dev/null 2>&1 &", nginx.reload_script().display());
    let world = World::around(nginx, PATIENT, &hook("late", &late, "10s")).await?;
    world.issue(&[]).await?;
    let first = world.current().await?;
    world.put_target(json!({ "install": "nginx/shop", "reload": "late", "probes": world.probes() })).await?;
    ensure!(world.renew().await? == 0, "{}", world.daemon.stderr());
    let second = world.current().await?;
    ensure!(second != first && world.served()? == second, "the renewed one is not served");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_that_does_not_reload_turns_all_of_them_back() -> Result<()> {
    let world = World::begin(2, "").await?;
    world.issue(&[]).await?;
    let (first, link) = (world.current().await?, std::fs::read_link(world.nginx.current())?);
    // Another process, which nobody tells to reload.
    let stubborn = world.nginx.beside(1)?;
    stubborn.reload()?;
    let third = || presented(stubborn.ports[0], HOST, &world.ca);
    let started = async || third().ok().filter(|seen| *seen == first);
    eventually(Duration::from_secs(10), "the third presents the certificate", started).await?;
    let probe = json!({ "address": format!("127.0.0.1:{}", stubborn.ports[0]), "server_name": HOST });
    let probes = [world.probes(), vec![probe]].concat();
    world.put_target(json!({ "install": "nginx/shop", "reload": "nginx", "probes": probes })).await?;
    ensure!(world.renew().await? == 1, "the renewal went through");
    ensure!(world.current().await? == first && world.served()? == first && third()? == first, "they differ");
    ensure!(std::fs::read_link(world.nginx.current())? == link, "the link did not go back");
    let status = world.daemon.status().await?;
    ensure!(status["alerts"].to_string().contains("2 of 3 new"), "{}", status["alerts"]);
    Ok(())
}

/// Whether a process runs.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// A hook that hangs, with a child of its own; their process ids go to a file.
fn hanging(pids: &Path) -> String {
    hook("hangs", &format!("echo $$ >> {0}; tail -f /dev/null & echo $! >> {0}; wait", pids.display()), "1s")
}

/// The renewal fails at the hook, nothing of it goes on, and the pair before is linked and served.
async fn turned_back(world: &World, first: &str, pids: &Path) -> Result<()> {
    let link = std::fs::read_link(world.nginx.current())?;
    ensure!(world.renew().await? == 1, "the renewal went through");
    let started = std::fs::read_to_string(pids).context("the hook was run")?;
    let alive: Vec<&str> = started.lines().filter(|pid| is_alive(pid)).collect();
    ensure!(started.lines().count() >= 2 && alive.is_empty(), "of {started:?} go on: {alive:?}");
    ensure!(std::fs::read_link(world.nginx.current())? == link, "the link did not go back");
    ensure!(world.current().await? == first && world.served()? == first, "another one is current or served");
    let status = world.daemon.status().await?;
    ensure!(status["alerts"].to_string().contains("did not end within 1 s"), "{}", status["alerts"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_hangs_is_ended_with_what_it_started_and_the_link_goes_back() -> Result<()> {
    let nginx = Nginx::prepare(1)?;
    let pids = nginx.tls().with_file_name("pids");
    let world = World::around(nginx, SHORT, &hanging(&pids)).await?;
    world.issue(&[]).await?;
    let first = world.current().await?;
    world.put_target(json!({ "install": "nginx/shop", "reload": "hangs", "probes": world.probes() })).await?;
    turned_back(&world, &first, &pids).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_hangs_is_ended_and_nothing_is_reloaded() -> Result<()> {
    let nginx = Nginx::prepare(1)?;
    let pids = nginx.tls().with_file_name("pids");
    let world = World::around(nginx, SHORT, &hanging(&pids)).await?;
    world.issue(&[]).await?;
    let first = world.current().await?;
    let settings = json!({ "install": "nginx/shop", "check": "hangs", "reload": "nginx", "probes": world.probes() });
    world.put_target(settings).await?;
    turned_back(&world, &first, &pids).await
}
