//! Rotations in a second with verification, over what server and driver allow: 1/(1/change + 1/login) of the same
//! minute. 100 roles, 32 tasks, SQLite with `synchronous=FULL`, an engine in this process.
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
    figures::{Goal, say, tell_pairs, tell_steps},
    rates::Limit,
    tail::steps_of,
    world::{World, saturate, server},
};
use keywheel::engine::Options;

const PAIRS: usize = 5;

#[tokio::main]
async fn main() -> Result<()> {
    let span =
        Duration::from_secs(std::env::var("KEYWHEEL_BENCH_SECONDS").map_or(10, |text| text.parse().unwrap_or(10)));
    let server = server();
    let limit = Limit::new(&server).await?;
    let (change, login) = limit.clients();
    say(&format!("rotations: the limit with {change} clients for changes and {login} for logins"));
    let mut world = World::new(Options { tasks: 32, per_target: 32, ..Options::default() }).await?;
    let target = world.add_target("bench", server.port()).await?;
    let secrets = world.adopt(&server, &target, "role", 100, None).await?;
    world.start();
    let (mut pairs, mut events) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let stretch = saturate(&world, &secrets, Duration::from_secs(1), span).await?;
        let rates = limit.measure(span / 2).await?;
        let (change, login, bound) = (rates.change, rates.login, rates.bound());
        say(&format!("  {:.1} rotations/s; {change:.0} changes/s, {login:.0} logins/s: {bound:.1}", stretch.rate));
        pairs.push((stretch.rate, bound));
        events.extend(stretch.events);
    }
    world.stop().await;
    tell_steps(&mut steps_of(&events));
    tell_pairs("rotations/s with verification over the bound", Goal::AtLeast(0.7), &pairs);
    Ok(())
}
