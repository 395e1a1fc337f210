//! An authority gets a new key: the anchor first, then the signatures, then the leaves; the old key goes last.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::world::{HOST, NAME, World};
use crate::support::daemon::PATIENCE;
use crate::support::wait::eventually;

async fn authority(world: &World, name: &str) -> Result<Value> {
    world.daemon.ask("GET", &format!("/authorities/{name}"), None).await
}

async fn renewed_after(world: &World, first: &str) -> Result<String> {
    eventually(PATIENCE, "the leaf is renewed", async || world.current().await.ok().filter(|current| current != first))
        .await
}

/// A worker of nginx that is about to end may still take a connection.
async fn served_soon(world: &World, wanted: &str) -> Result<()> {
    let seen = async || world.served().ok().filter(|seen| seen == wanted).map(drop);
    eventually(PATIENCE, "the renewed certificate is served", seen).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_gets_a_new_key_and_its_leaves_are_renewed() -> Result<()> {
    let world = World::begin(1, "").await?;
    world.issue(&[]).await?;
    let (first, before) = (world.current().await?, authority(&world, "internal").await?);
    world.daemon.cli_ok(&["ca", "rotate", "internal", "--spread", "0s"], None).await?;
    let after = authority(&world, "internal").await?;
    ensure!(after["key_id"] != before["key_id"] && after["version"] == 2, "{after}");
    ensure!(after["rollover"]["stage"] == "switched", "{after}");
    let second = renewed_after(&world, &first).await?;
    served_soon(&world, &second).await?;
    // A second key, should the first be lost: what it signed is renewed again, and the old ones end in their time.
    world.daemon.cli_ok(&["ca", "rotate", "internal", "--spread", "0s"], None).await?;
    let third = renewed_after(&world, &second).await?;
    served_soon(&world, &third).await?;
    ensure!(authority(&world, "internal").await?["version"] == 3, "it has no third key");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_root_is_published_before_it_signs_and_then_all_below_follows() -> Result<()> {
    let world = World::begin(1, "").await?;
    world.issue(&[]).await?;
    let first = world.current().await?;
    world.daemon.cli_ok(&["ca", "rotate", "root", "--switch-after", "7d", "--spread", "0s"], None).await?;
    let both = world.daemon.cli_ok(&["ca", "export", "internal"], None).await?.stdout;
    ensure!(both.matches("BEGIN CERTIFICATE").count() == 2, "the new root is not published: {both}");
    ensure!(world.current().await? == first, "it signs before its time");
    let again = world.daemon.cli(&["ca", "rotate", "root"], None).await?;
    ensure!(again.code() == 1 && again.stderr.contains("[rollover-running]"), "{again}");
    std::fs::write(&world.ca, both)?;
    world.daemon.cli_ok(&["ca", "rotate", "root", "--now"], None).await?;
    let shown = authority(&world, "internal").await?;
    ensure!(shown["version"] == 2, "the intermediate did not follow: {shown}");
    // An hour is the usual spread of the intermediate's leaves; one leaf is renewed at once.
    let second = renewed_after(&world, &first).await?;
    served_soon(&world, &second).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_by_the_old_key_can_still_be_revoked() -> Result<()> {
    let world = World::begin(0, "").await?;
    let file = world.daemon.folder().join("a.pem");
    let words = ["cert", "sign", "internal", "--dns", HOST, "--file", file.to_str().context("a path")?];
    world.daemon.cli_ok(&words, None).await?;
    let printed = Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(&file).output()?;
    let serial = String::from_utf8(printed.stdout)?.trim().trim_start_matches("serial=").to_lowercase();
    world.daemon.cli_ok(&["ca", "rotate", "internal"], None).await?;
    world.daemon.cli_ok(&["cert", "revoke", &serial], None).await?;
    let listed = world.daemon.ask("GET", "/issued?authority=internal", None).await?;
    let found = listed["items"].as_array().into_iter().flatten().find(|row| {
        row["serial"].as_str().is_some_and(|known| known.trim_start_matches('0') == serial.trim_start_matches('0'))
    });
    ensure!(found.is_some_and(|row| row["revoked_at"].is_string()), "{listed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_certificate_is_revoked_when_it_is_retired_where_that_is_asked() -> Result<()> {
    let world = World::begin(1, "").await?;
    world.issue(&["--revoke-old", "--overlap", "0s"]).await?;
    ensure!(world.renew().await? == 0, "{}", world.daemon.stderr());
    let revoked = eventually(Duration::from_secs(30), "the old one is revoked", async || {
        let list = world.daemon.ask("GET", "/authorities/internal/crl", None).await.ok()?;
        (list["revoked"] == 1).then_some(list)
    });
    revoked.await?;
    let shown = world.daemon.ask("GET", "/certificates/web%2Fshop", None).await?;
    ensure!(shown["version"] == 2 && shown["name"] == NAME, "{shown}");
    Ok(())
}
