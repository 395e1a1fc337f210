//! Rotations in a second of a saturated healthy target while a second target is frozen, over the same alone. The
//! frozen one accepts connections and never answers; ten times as many secrets as it has slots are due there.
#![allow(
    dead_code,
    unused_imports,
    clippy::disallowed_methods,
    clippy::duplicated_attributes,
    clippy::wildcard_imports,
    clippy::print_stdout,
    reason = "a bench uses a part of the tests' harness, measures in running time, and prints its figures"
)]

#[path = "support/mod.rs"]
mod ground;
#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use anyhow::Result;
use ground::{
    figures::{Goal, say, tell_pairs},
    pause::pause,
    seed::{Filling, fill},
    servers::postgres::PostgresServer,
    world::{World, saturate, server},
};
use keywheel::engine::Options;
use tokio::net::TcpListener;

const PAIRS: usize = 5;
const SPAN: Duration = Duration::from_secs(10);
const FROZEN: usize = 320;

#[tokio::main]
async fn main() -> Result<()> {
    let server = server();
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        let alone = rate(&server, &format!("alone{pair}"), false).await?;
        let beside = rate(&server, &format!("beside{pair}"), true).await?;
        say(&format!("  {beside:.1} rotations/s beside a frozen target, {alone:.1} alone"));
        pairs.push((beside, alone));
    }
    tell_pairs("healthy rotations/s beside a frozen target over alone", Goal::AtLeast(0.95), &pairs);
    Ok(())
}

/// A world of its own for each measurement, so that nothing of an earlier one is still being looked at.
async fn rate(server: &PostgresServer, prefix: &str, with_frozen: bool) -> Result<f64> {
    let mut world = World::new(Options { tasks: 64, per_target: 32, ..Options::default() }).await?;
    let healthy = world.add_target("healthy", server.port()).await?;
    let secrets = world.adopt(server, &healthy, prefix, 100, None).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let frozen = world.add_target("frozen", listener.local_addr()?.port()).await?;
    let filling = Filling { target: &frozen, count: FROZEN, prefix: "frozen", password: "unused", timing: None };
    let stuck = fill(&world.engine, &filling).await?;
    let holding = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    world.start();
    if with_frozen {
        world.request(stuck).await?;
        pause(Duration::from_millis(500)).await;
    }
    let stretch = saturate(&world, &secrets, Duration::from_secs(1), SPAN).await?;
    holding.abort();
    world.stop().await;
    Ok(stretch.rate)
}
