//! Notices over HTTP: how many in a second reach a local receiver over kept connections, over what the same client does
//! alone in the same minute; and how long one takes from its commit to the receiver.
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
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use ground::{
    figures::{Goal, per_second, quantile_ms, say, tell_pairs, tell_value},
    pause::pause,
    world::World,
};
use keywheel::{
    engine::{
        Options,
        ops::channels::{self, PutChannel},
    },
    model::{Actor, EventId},
    notify::Limits,
    store::{NewEvent, StoreError, event},
};
use serde_json::{Value, json};

const PAIRS: usize = 5;
const NOTICES: usize = 6_000;
const CLIENTS: usize = 8;
/// Notices in a second while the latency is measured, and for how long.
const CALM: usize = 50;
const CALM_FOR: Duration = Duration::from_secs(10);

/// When each event arrived.
#[derive(Clone, Default)]
struct Arrived(Arc<Mutex<HashMap<String, Instant>>>);

impl Arrived {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(arrived): State<Arrived>, Json(body): Json<Value>) -> StatusCode {
    let id = body["data"]["event_id"].as_str().unwrap_or_default().to_owned();
    arrived.all().entry(id).or_insert_with(Instant::now);
    StatusCode::NO_CONTENT
}

async fn receiver() -> Result<(String, Arrived)> {
    let arrived = Arrived::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let routes = Router::new()
        .route("/hook", post(take))
        .route("/raw", post(|_: axum::body::Bytes| async { StatusCode::NO_CONTENT }))
        .with_state(arrived.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok((url, arrived))
}

/// Requests in a second of the bare client, with a body like that of a notice.
async fn raw(url: &str, span: Duration) -> Result<f64> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (url, body) = (url.replace("/hook", "/raw"), "x".repeat(900));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, url, body) = (client.clone(), url.clone(), body.clone());
        tasks.spawn(async move {
            let (begin, mut done) = (Instant::now(), 0_usize);
            while begin.elapsed() < span {
                client.post(&url).body(body.clone()).send().await?.error_for_status()?;
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut all = 0;
    while let Some(done) = tasks.join_next().await {
        all += done??;
    }
    Ok(per_second(all, span))
}

/// Commits events that are told, a hundred in a transaction; answers their ids.
async fn tell(world: &World, count: usize) -> Result<Vec<String>> {
    let mut ids = Vec::with_capacity(count);
    while ids.len() < count {
        let batch: Vec<NewEvent> = (0..100.min(count - ids.len())).map(|_| news(world)).collect();
        ids.extend(batch.iter().map(|event| event.id.to_string()));
        let keyring = Arc::clone(world.engine.keyring());
        let written: Result<(), StoreError> = world
            .engine
            .store
            .write(move |tx| {
                Box::pin(async move {
                    for new in &batch {
                        event::append(tx, &keyring, new.clone()).await?;
                    }
                    Ok(())
                })
            })
            .await;
        written?;
    }
    Ok(ids)
}

fn news(world: &World) -> NewEvent {
    let id = world.engine.mint(EventId::mint);
    NewEvent {
        subject: format!("bench:{id}"),
        id,
        tenant: world.engine.tenant.clone(),
        rotation: None,
        kind: "alert.opened".to_owned(),
        facts: json!({ "v": 1, "alert": "drifted", "sentence": "the target refuses the current value", "hint": "look" }),
        written: Vec::new(),
        actor: Actor::daemon(),
        reason: String::new(),
        at: world.engine.now(),
    }
}

async fn until_arrived(arrived: &Arrived, ids: &[String], limit: Duration) -> Result<()> {
    let begin = Instant::now();
    while !ids.last().is_none_or(|_| ids.iter().all(|id| arrived.all().contains_key(id))) {
        if begin.elapsed() > limit {
            bail!("not all notices arrived in time");
        }
        pause(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Notices in a second from the first commit to the last arrival.
async fn saturated(world: &World, arrived: &Arrived) -> Result<f64> {
    let begin = Instant::now();
    let ids = tell(world, NOTICES).await?;
    until_arrived(arrived, &ids, Duration::from_mins(2)).await?;
    Ok(per_second(ids.len(), begin.elapsed()))
}

/// Microseconds from commit to arrival, one by one.
async fn latencies(world: &World, arrived: &Arrived) -> Result<Vec<i64>> {
    let (begin, mut sent) = (Instant::now(), Vec::new());
    while begin.elapsed() < CALM_FOR {
        let id = tell(world, 1).await?.pop().context("an id")?;
        sent.push((id, Instant::now()));
        pause(Duration::from_millis(1000 / CALM as u64)).await;
    }
    let ids: Vec<String> = sent.iter().map(|(id, _)| id.clone()).collect();
    until_arrived(arrived, &ids, Duration::from_secs(30)).await?;
    let arrived = arrived.all();
    let taken = |(id, at): &(String, Instant)| {
        let late = arrived.get(id).map_or(Duration::MAX, |arrived| arrived.saturating_duration_since(*at));
        i64::try_from(late.as_micros()).unwrap_or(i64::MAX)
    };
    Ok(sent.iter().map(taken).collect())
}

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (url, arrived) = receiver().await?;
    let allow = vec!["127.0.0.0/8".parse()?];
    let options = Options { notify: Limits { allow, ..Limits::default() }, probe_every: None, ..Options::default() };
    let mut world = World::new(options).await?;
    world.start();
    let settings = json!({ "url": url });
    let request =
        PutChannel { kind: "webhook".to_owned(), settings, enabled: true, heartbeat: None, reason: String::new() };
    channels::put(&world.engine, &Actor::daemon(), "bench", request).await?;
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        let notices = saturated(&world, &arrived).await?;
        let alone = raw(&url, Duration::from_secs(2)).await?;
        say(&format!("  {notices:.0} notices/s, {alone:.0} bare requests/s"));
        pairs.push((notices, alone));
    }
    let mut rates: Vec<f64> = pairs.iter().map(|(notices, _)| *notices).collect();
    rates.sort_by(f64::total_cmp);
    tell_value("webhooks in a second", Goal::AtLeast(2000.0), rates[rates.len() / 2], "median");
    tell_pairs("webhooks/s over the bare client's", Goal::AtLeast(0.5), &pairs);
    let mut late = latencies(&world, &arrived).await?;
    let (p50, p99) = (quantile_ms(&mut late, 0.5), quantile_ms(&mut late, 0.99));
    tell_value("p99 from commit to receiver", Goal::AtMost(100.0), p99, &format!("ms, p50 {p50:.1}"));
    world.stop().await;
    Ok(())
}
