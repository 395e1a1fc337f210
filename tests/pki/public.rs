//! Certificates from a public authority: Pebble proves that the names are ours, nginx serves what it issued.

use anyhow::{Context, Result, bail, ensure};

use super::world::{HOST, NAME, World};
use crate::support::acme::rig::Pebble;
use crate::support::nginx::presented;

fn issued_by(pebble: &Pebble, world: &World) -> Result<Vec<String>> {
    let ca = world.daemon.folder().join("pebble.pem");
    std::fs::write(&ca, pebble.directory().ca_pem.context("its own certificate")?)?;
    let words = ["acme", "add", "pebble", "--agree-to-terms", "--email", "certs@example.org", "--directory"];
    let url = format!("https://localhost:{}/dir", pebble.port());
    let rest = [url.as_str(), "--ca-file", ca.to_str().context("a path")?];
    Ok(words.iter().chain(&rest).map(|word| (*word).to_owned()).collect())
}

pub(super) async fn register(pebble: &Pebble, world: &World) -> Result<()> {
    let words = issued_by(pebble, world)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    world.daemon.cli_ok(&words, None).await.map(drop)
}

pub(super) async fn issue(pebble: &Pebble, world: &World, rest: &[&str]) -> Result<()> {
    let probe = format!("127.0.0.1:{};name={HOST}", world.nginx.ports[0]);
    let listen = format!("acme.listen=127.0.0.1:{}", pebble.http_port);
    let words = ["cert", "issue", NAME, "--acme", "pebble", "--dns", HOST, "--install", "nginx/shop", "--reload"];
    let more = ["nginx", "--probe", probe.as_str(), "--set", "acme.challenge=http-01", "--set", listen.as_str()];
    world.daemon.cli_ok(&[&words[..], &more[..], rest].concat(), None).await.map(drop)
}

async fn served(world: &World) -> Result<String> {
    let value = world.daemon.value_of(NAME, "current").await?;
    let anchor = world.daemon.folder().join("anchor.pem");
    std::fs::write(&anchor, value["ca"].as_str().context("an anchor")?)?;
    let seen = presented(world.nginx.ports[0], HOST, &anchor)?;
    if value["certificate"] != seen.as_str() {
        let told = world.daemon.ask("GET", "/certificates/web%2Fshop", None).await?;
        let linked = std::fs::read_link(world.nginx.current())?.display().to_string();
        let rotations = world.daemon.rotations(NAME).await?;
        bail!("another one is served than the current: {seen}\n{told}\n{linked}\n{rotations:?}\n{}", world.nginx.log());
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_certificate_is_ordered_served_and_renewed() -> Result<()> {
    let (pebble, world) = (Pebble::start(), World::begin(1, "").await?);
    register(&pebble, &world).await?;
    issue(&pebble, &world, &[]).await?;
    let first = served(&world).await?;
    ensure!(world.renew().await? == 0, "{}", world.daemon.stderr());
    ensure!(served(&world).await? != first && pebble.issued() == 2, "{}", pebble.log());
    let listed = world.daemon.cli_ok(&["acme", "list"], None).await?;
    ensure!(listed.stdout.contains("/dir"), "{listed}");
    let tsig = ["acme", "tsig", "pebble", "--key-name", "k.example.org", "-"];
    let odd = world.daemon.cli(&tsig, Some(b"not base64!")).await?;
    ensure!(odd.code() == 2 && odd.stderr.contains("[tsig-key-invalid]"), "{odd}");
    world.daemon.cli_ok(&tsig, Some(b"c2VjcmV0LW9mLTMyLWJ5dGVzLXRoYXQtaXMtc2VjcmV0")).await?;
    let read = world.daemon.cli(&["secret", "get", "pebble"], None).await?;
    ensure!(read.code() == 4 && read.stderr.contains("[key-kept]"), "{read}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_ours_is_refused_and_leaves_the_old_certificate_alone() -> Result<()> {
    let (pebble, world) = (Pebble::start(), World::begin(1, "").await?);
    register(&pebble, &world).await?;
    issue(&pebble, &world, &[]).await?;
    let first = served(&world).await?;
    // The listener that would prove it is taken by somebody else.
    let taken = std::net::TcpListener::bind(("127.0.0.1", pebble.http_port))?;
    ensure!(world.renew().await? == 1, "the renewal went through");
    drop(taken);
    ensure!(served(&world).await? == first && pebble.issued() == 1, "{}", pebble.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_agreement_is_refused_before_anybody_is_asked() -> Result<()> {
    let world = World::begin(0, "").await?;
    let refused = world.daemon.cli(&["acme", "add", "le", "--directory", "https://127.0.0.1:1/dir"], None).await?;
    ensure!(refused.code() == 2 && refused.stderr.contains("[acme-terms-not-agreed]"), "{refused}");
    Ok(())
}
