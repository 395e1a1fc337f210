//! The built daemon with 100,000 scheduled secrets, drift checks off and nothing due: processor time over a minute,
//! resident memory, and start to ready over the same with 1,000.
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

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use chrono::TimeDelta;
use ground::{
    figures::{Goal, say, tell_pairs, tell_value},
    pause::pause,
    seed::{Filling, Timing, fill, put_target},
    servers::daemon::Daemon,
    world::engine_over,
};
use keywheel::{
    engine::Options,
    keyring::{Keyring, MasterSource, Surroundings},
    model::Material,
    store::{SqliteOptions, Store, tenant},
};
use serde_json::json;

const MANY: usize = 100_000;
const FEW: usize = 1_000;
const PAIRS: usize = 7;
const WATCHED: Duration = Duration::from_mins(1);
const QUIET: &str = "[engine]\nprobe_every = \"off\"\n";

#[tokio::main]
async fn main() -> Result<()> {
    let mut many = filled(MANY).await?;
    let mut few = filled(FEW).await?;
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let (with_many, with_few) = (start(&mut many).await?, start(&mut few).await?);
        pairs.push((with_many * 1000.0, with_few * 1000.0));
    }
    tell_pairs("start to ready in ms, 100,000 secrets over 1,000", Goal::AtMost(1.5), &pairs);
    many.serve().await?;
    pause(Duration::from_secs(3)).await;
    let before = many.usage()?;
    pause(WATCHED).await;
    let after = many.usage()?;
    let share = after.cpu.saturating_sub(before.cpu).as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
    tell_value("idle processor time with 100,000 secrets", Goal::AtMost(0.1), share, "% of a core over 60 s");
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let memory = after.rss as f64 / 1e6;
    tell_value("idle resident memory with 100,000 secrets", Goal::AtMost(60.0), memory, "MB");
    many.terminate().await?;
    Ok(())
}

/// A daemon's folder whose store holds so many scheduled secrets, none of them due for a month.
async fn filled(count: usize) -> Result<Daemon> {
    let daemon = Daemon::new(QUIET)?;
    daemon.init().await?;
    let begin = Instant::now();
    let source = MasterSource::File { path: daemon.data().join("master.key") };
    let masters = source.read(&Surroundings { credentials_directory: None, passphrase: None, variable: None }).await?;
    let keyring = Arc::new(Keyring::new());
    let store = Store::open_sqlite(&daemon.store(), &SqliteOptions::default(), keyring).await?;
    for root in tenant::list_roots(&mut store.read().await?).await? {
        store.keyring().add(root.unwrap(&masters)?);
    }
    let found = tenant::find_by_name(&mut store.read().await?, tenant::ROOT).await?;
    let engine = engine_over(store.clone(), found.context("the first tenant")?, Options::default());
    let admin = Material::of_texts([("username", "postgres"), ("password", "unused")]);
    let settings = json!({ "host": "127.0.0.1", "port": 1, "tls": "off" });
    let target = put_target(&engine, "bench", settings, &admin).await?;
    let month = engine.now() + TimeDelta::days(30);
    let first_due = |number: usize| month + TimeDelta::milliseconds(i64::try_from(number).unwrap_or(0));
    let timing = Some(Timing { every: "60d", first_due: &first_due });
    let filling = Filling { target: &target, count, prefix: "role", password: "unused", timing };
    let ids = fill(&engine, &filling).await?;
    ensure!(ids.len() == count, "{} of {count} secrets were written", ids.len());
    drop(engine);
    store.checkpoint().await?;
    store.close().await;
    say(&format!("  {count} secrets written in {:.1} s", begin.elapsed().as_secs_f64()));
    Ok(daemon)
}

/// Starts a daemon, and stops it again; answers the seconds until it was ready.
async fn start(daemon: &mut Daemon) -> Result<f64> {
    let begin = Instant::now();
    daemon.spawn()?;
    while !matches!(daemon.get("/healthz").await, Ok(answer) if answer.status == 200) {
        if begin.elapsed() > Duration::from_secs(30) {
            bail!("the daemon is not ready after 30 s: {}", daemon.stderr());
        }
        pause(Duration::from_millis(1)).await;
    }
    let taken = begin.elapsed().as_secs_f64();
    daemon.terminate().await?;
    Ok(taken)
}
