//! The same with a certificate of a public authority: killed at whatever is sent to it, no certificate is ordered twice.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};

use super::killed::Walk;
use super::public::{issue, register};
use super::world::{NAME, World};
use crate::crash::points::{Stop, stops};
use crate::support::acme::rig::Pebble;
use crate::support::nginx::Nginx;
use crate::support::random::Sampler;
use crate::support::scene::QUIET;

/// A world whose certificate Pebble issued, and what openssl verifies it by.
async fn begin(pebble: &Pebble) -> Result<Walk> {
    let mut world = World::around(Nginx::prepare(1)?, QUIET, "").await?;
    register(pebble, &world).await?;
    issue(pebble, &world, &["--overlap", "0s"]).await?;
    let value = world.daemon.value_of(NAME, "current").await?;
    world.ca = world.daemon.folder().join("anchor.pem");
    std::fs::write(&world.ca, value["ca"].as_str().context("an anchor")?)?;
    let mut walk = Walk::over(world, None).await?;
    walk.faults = walk.faults.peer(SocketAddr::from((Ipv4Addr::LOCALHOST, pebble.port())));
    Ok(walk)
}

/// Dies and recovers. Each version that was published cost one certificate; and one that had been issued at the death is
/// not ordered again. Answers whether it had.
async fn kill_at(walk: &mut Walk, pebble: &Pebble, stop: &Stop) -> Result<bool> {
    let before = pebble.issued();
    // A renewal whose point was not reached cost one as well.
    let before = before + walk.die_at(stop).await?;
    let (at_death, orders) = (pebble.issued(), pebble.orders());
    walk.recover(stop).await?;
    let shown = walk.world.daemon.secret(NAME).await?;
    let versions = shown["versions"].as_array().context("versions")?;
    let current = versions.iter().find(|version| version["stage"] == "current").context("a current version")?;
    let renewals = usize::try_from(current["number"].as_u64().context("a number")?)?.saturating_sub(1);
    let cost = pebble.issued() - before;
    ensure!(cost == renewals, "{renewals} renewals cost {cost} certificates, killed {:?} {}", stop.when, stop.spot);
    let had = at_death > before;
    let expected = orders + renewals.saturating_sub(1);
    ensure!(!had || pebble.orders() == expected, "ordered again, killed {:?} {}", stop.when, stop.spot);
    Ok(had)
}

mod proofs {
    use super::*;
    use crate::support::proof::{Proof, count};

    const EARLY: usize = 5;
    /// Among them those after the certificate was issued.
    const LATE: usize = 8;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_kill_at_any_word_to_a_public_authority_orders_no_second_certificate() -> Result<()> {
        let proof = Proof::begin("certificates: killed", "kills of a renewal at a public authority");
        let pebble = Pebble::start();
        let mut walk = begin(&pebble).await?;
        let points = walk.record().await?;
        let mut stops = stops(&points);
        if count(0, 1) == 0 {
            // What is written is sampled by the other proofs.
            stops.retain(|stop| stop.spot.starts_with("send@"));
            ensure!(stops.len() > 20, "only {} words to the authority were recorded", stops.len());
            let (late, mut sampler) = (stops.split_off(stops.len() * 2 / 3), Sampler::new(proof.seed()));
            stops = [sampler.some(&stops, EARLY), sampler.some(&late, LATE)].concat();
        }
        let (mut killed, mut issued) = (0, 0);
        for stop in &stops {
            issued += u64::from(kill_at(&mut walk, &pebble, stop).await?);
            killed += 1;
        }
        ensure!(issued > 0, "no kill came after the certificate was issued");
        proof.figure(&format!("{issued} of them after the certificate was issued"))?;
        proof.end(killed, stops.len() as u64)
    }
}
