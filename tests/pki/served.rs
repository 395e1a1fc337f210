//! nginx serves what keywheel says, and what it cannot be brought to serve is taken back.

use std::os::unix::fs::MetadataExt;

use anyhow::{Result, ensure};
use serde_json::json;

use super::world::{HOST, NAME, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_issued_installed_served_and_renewed() -> Result<()> {
    let world = World::begin(2, "").await?;
    world.issue(&[]).await?;
    let first = world.current().await?;
    ensure!(world.served()? == first, "nginx presents another certificate");
    let key = std::fs::metadata(world.nginx.current().join("key.pem"))?;
    ensure!(key.mode() & 0o777 == 0o600, "the key has mode {:o}", key.mode());
    ensure!(world.renew().await? == 0, "{}", world.daemon.stderr());
    let second = world.current().await?;
    ensure!(second != first && world.served()? == second, "the renewed one is not served");
    let shown = world.daemon.ask("GET", "/certificates/web%2Fshop", None).await?;
    ensure!(shown["names"] == json!([HOST]) && shown["version"] == 2, "{shown}");
    ensure!(shown["next_due_at"].is_string(), "it is renewed by itself: {shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_reload_keeps_the_old_certificate_and_the_link_goes_back() -> Result<()> {
    let world = World::begin(1, "[[hook]]\nname = \"nothing\"\nargv = [\"/bin/true\"]\n").await?;
    world.issue(&[]).await?;
    let (first, link) = (world.current().await?, std::fs::read_link(world.nginx.current())?);
    let probe = json!({ "address": format!("127.0.0.1:{}", world.nginx.ports[0]), "server_name": HOST });
    world.put_target(json!({ "install": "nginx/shop", "reload": "nothing", "probes": [probe] })).await?;
    ensure!(world.renew().await? == 1, "the renewal went through");
    ensure!(world.current().await? == first && world.served()? == first, "another one is current or served");
    ensure!(std::fs::read_link(world.nginx.current())? == link, "the link did not go back");
    ensure!(world.daemon.alerts().await?.contains(&"rotation-failed".to_owned()), "nobody is told");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_the_check_refuses_is_never_loaded() -> Result<()> {
    let world = World::begin(1, "[[hook]]\nname = \"says-no\"\nargv = [\"/bin/false\"]\n").await?;
    world.issue(&[]).await?;
    let first = world.current().await?;
    let probe = json!({ "address": format!("127.0.0.1:{}", world.nginx.ports[0]), "server_name": HOST });
    let settings = json!({ "install": "nginx/shop", "reload": "nginx", "check": "says-no", "probes": [probe] });
    world.put_target(settings).await?;
    ensure!(world.renew().await? == 1, "the renewal went through");
    ensure!(world.current().await? == first && world.served()? == first, "another one is current or served");
    let shown = world.daemon.secret(NAME).await?;
    ensure!(shown["rotation_line"]["status"] == "unwound", "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_certificate_that_cannot_be_served_leaves_nothing_behind() -> Result<()> {
    let world = World::begin(1, "[[hook]]\nname = \"says-no\"\nargv = [\"/bin/false\"]\n").await?;
    let words = ["cert", "issue", NAME, "--ca", "internal", "--dns", HOST, "--install", "nginx/shop", "--reload"];
    let failed = world.daemon.cli(&[&words[..], &["says-no"]].concat(), None).await?;
    ensure!(failed.code() == 1, "{failed}");
    ensure!(!world.nginx.current().exists(), "a link was left");
    let shown = world.daemon.secret(NAME).await?;
    ensure!(shown["versions"].as_array().is_some_and(|live| live.iter().all(|v| v["stage"] != "current")), "{shown}");
    Ok(())
}
