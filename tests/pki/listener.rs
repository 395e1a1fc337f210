//! The daemon's own HTTPS listener: its certificate comes from the authority that it keeps, and renews itself.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::world::World;
use crate::support::daemon::PATIENCE;
use crate::support::nginx::presented;
use crate::support::wait::{eventually, free_port};

const OWN: &str = "keywheel/listener";

fn curl(port: u16, ca: &Path, token: &str) -> Result<String> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "20", "--cacert", &ca.display().to_string()])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--resolve", &format!("keys.example.org:{port}:127.0.0.1")])
        .arg(format!("https://keys.example.org:{port}/api/v1/secrets/billing%2Fdb/value"))
        .output()
        .context("run curl")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("not text")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_s_certificate_comes_from_the_authority_and_is_renewed_without_a_restart() -> Result<()> {
    let port = free_port()?;
    let listen = format!("[listen]\naddress = \"127.0.0.1:{port}\"\ncertificate = \"{OWN}\"\n");
    let world = World::begin(0, &listen).await?;
    let pid = world.daemon.pid()?;
    world.daemon.cli_ok(&["cert", "issue", OWN, "--ca", "internal", "--dns", "keys.example.org"], None).await?;
    world.daemon.put_secret("billing/db", json!({ "password": "seen over https" })).await?;
    let made = world.daemon.cli_ok(&["token", "create", "--read", "billing/*"], None).await?;
    let token = made.stdout.split_whitespace().find(|word| word.starts_with("kw_")).context("a token")?.to_owned();
    let read = eventually(PATIENCE, "the listener serves", async || curl(port, &world.ca, &token).ok()).await?;
    ensure!(read.contains("seen over https"), "{read}");
    let first = presented(port, "keys.example.org", &world.ca)?;
    let words = ["rotate", OWN, "--wait", "--acknowledge", "cuts-overlap"];
    world.daemon.cli_ok(&words, None).await?;
    let renewed = async || presented(port, "keys.example.org", &world.ca).ok().filter(|now| *now != first);
    eventually(PATIENCE, "the renewed certificate is shown", renewed).await?;
    ensure!(curl(port, &world.ca, &token)?.contains("seen over https"), "it does not serve on");
    ensure!(world.daemon.pid()? == pid, "it was restarted");
    Ok(())
}
