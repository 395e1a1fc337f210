//! Time between due and done of scheduled rotations, at half of the rate that a saturated engine reaches in the same
//! minute.
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
use chrono::TimeDelta;
use ground::{
    figures::{Goal, per_second, quantile_ms, say, tell_value},
    pause::pause,
    seed::Timing,
    servers::postgres::PostgresServer,
    tail::Tail,
    world::{World, saturate, server},
};
use keywheel::{clock::micros, engine::Options};

const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(15);
/// Each secret's interval; the number of secrets makes the rate.
const EVERY: u32 = 2;

#[tokio::main]
async fn main() -> Result<()> {
    let server = server();
    let mut worst = Vec::new();
    for round in 0..ROUNDS {
        let full = full_rate(&server, &format!("full{round}")).await?;
        let mut late = scheduled(&server, &format!("late{round}"), full / 2.0).await?;
        let (p50, p99) = (quantile_ms(&mut late, 0.5), quantile_ms(&mut late, 0.99));
        let reached = per_second(late.len(), SPAN);
        say(&format!(
            "  round {}: {full:.1} rotations/s saturated; at {reached:.1}/s p50 {p50:.0} ms, p99 {p99:.0} ms",
            round + 1
        ));
        worst.push(p99);
    }
    worst.sort_by(f64::total_cmp);
    let remark = format!("ms, median of {ROUNDS} rounds, min {:.0}, max {:.0}", worst[0], worst[ROUNDS - 1]);
    tell_value("p99 of due to done at half of the rate", Goal::AtMost(500.0), worst[ROUNDS / 2], &remark);
    Ok(())
}

async fn full_rate(server: &PostgresServer, prefix: &str) -> Result<f64> {
    let mut world = World::new(Options { tasks: 32, per_target: 32, ..Options::default() }).await?;
    let target = world.add_target("bench", server.port()).await?;
    let secrets = world.adopt(server, &target, prefix, 100, None).await?;
    world.start();
    let stretch = saturate(&world, &secrets, Duration::from_secs(1), Duration::from_secs(5)).await?;
    world.stop().await;
    Ok(stretch.rate)
}

async fn scheduled(server: &PostgresServer, prefix: &str, rate: f64) -> Result<Vec<i64>> {
    let mut world = World::new(Options { tasks: 32, per_target: 32, ..Options::default() }).await?;
    let target = world.add_target("bench", server.port()).await?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundreds")]
    let count = (rate * f64::from(EVERY)).max(1.0) as usize;
    let begin = world.engine.now() + TimeDelta::seconds(3);
    let every = TimeDelta::seconds(EVERY.into());
    let first_due =
        |number: usize| begin + every * i32::try_from(number).unwrap_or(0) / i32::try_from(count).unwrap_or(1);
    let timing = Timing { every: &format!("{EVERY}s"), first_due: &first_due };
    world.adopt(server, &target, prefix, count, Some(timing)).await?;
    world.start();
    pause(Duration::from_secs(6)).await;
    let from = micros(world.engine.now());
    pause(SPAN).await;
    let to = micros(world.engine.now());
    world.stop().await;
    Tail::open(&world.file()).await?.lateness(from, to).await
}
