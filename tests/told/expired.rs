//! What an expiry does to reads, and what a clock that was set forward does not.

use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use keywheel::{
    engine::{
        Trouble,
        ops::{
            clock, rotations, secret_read,
            secrets::{self, About, PutSecret},
            wire::Fields,
        },
    },
    model::Material,
};
use serde_json::{Value, json};

use crate::engine::notices::{Told, actor};
use crate::support::{
    daemon::{Daemon, PATIENCE},
    wait::eventually,
};

/// A daemon, asked over HTTP.
struct Asked(Daemon);

impl Asked {
    async fn put(&self, name: &str, about: Value) -> Result<()> {
        let body = json!({ "value": { "password": "p" }, "about": about });
        self.0.ask("PUT", &format!("/secrets/{name}/value"), Some(&body)).await.map(drop)
    }

    /// Status and code of a read.
    async fn read(&self, name: &str) -> Result<(u16, String)> {
        let answer = self.0.get(&format!("/api/v1/secrets/{name}/value")).await?;
        let code = answer.json()?["code"].as_str().unwrap_or_default().to_owned();
        Ok((answer.status, code))
    }

    async fn is_refused(&self, name: &str) -> Option<()> {
        (self.read(name).await.ok()? == (409, "secret-expired".to_owned())).then_some(())
    }
}

fn soon(milliseconds: i64) -> String {
    (Utc::now() + TimeDelta::milliseconds(milliseconds)).to_rfc3339()
}

#[tokio::test]
async fn an_expiry_ends_reads_over_http_unless_it_only_warns_or_has_a_grace_period() -> Result<()> {
    let asked = Asked(Daemon::start("").await?);
    let at = soon(2_500);
    asked.put("ends", json!({ "expires_at": at })).await?;
    asked.put("warns", json!({ "expires_at": at, "on_expiry": "warn" })).await?;
    asked.put("grace", json!({ "expires_at": at, "on_expiry": "deactivate after 3s" })).await?;
    asked.put("later", json!({ "expires_at": soon(600_000) })).await?;
    asked.put("never", json!({})).await?;
    ensure!(asked.read("ends").await?.0 == 200, "refused before its date");
    eventually(PATIENCE, "reads end", async || asked.is_refused("ends").await).await?;
    ensure!(asked.read("grace").await?.0 == 200, "the grace period does not count");
    eventually(PATIENCE, "reads end after the grace period", async || asked.is_refused("grace").await).await?;
    for name in ["warns", "later", "never"] {
        ensure!(asked.read(name).await?.0 == 200, "`{name}` is refused");
    }
    let problem = asked.0.get("/api/v1/secrets/ends/value").await?.json()?;
    let words = [problem["detail"].to_string(), problem["hint"].to_string()].concat();
    ensure!(words.contains("reads ended at") && words.contains("override"), "{problem}");
    asked.put("ends", json!({ "expires_at": soon(600_000) })).await?;
    ensure!(asked.read("ends").await?.0 == 200, "a new value with a later date is refused");
    Ok(())
}

#[tokio::test]
async fn an_override_lifts_it_for_a_while_with_a_reason_that_stands_in_the_record() -> Result<()> {
    let asked = Asked(Daemon::start("").await?);
    asked.put("ends", json!({ "expires_at": soon(1_000) })).await?;
    eventually(PATIENCE, "reads end", async || asked.is_refused("ends").await).await?;
    let lift = async |body: Value| asked.0.send("POST", "/api/v1/secrets/ends/override", &body).await;
    for (body, code) in [
        (json!({ "for": "2s", "reason": " " }), "reason-missing"),
        (json!({ "for": "8d", "reason": "late" }), "override-too-long"),
    ] {
        let refused = lift(body).await?.json()?;
        ensure!(refused["code"] == code, "{refused}");
    }
    let lifted = lift(json!({ "for": "2s", "reason": "the vendor is late" })).await?;
    ensure!(lifted.status == 200, "{}", lifted.text());
    let until: DateTime<Utc> = lifted.json()?["until"].as_str().unwrap_or_default().parse()?;
    ensure!(asked.read("ends").await?.0 == 200, "the emergency lifts nothing");
    eventually(PATIENCE, "reads end again", async || asked.is_refused("ends").await).await?;
    ensure!(Utc::now() >= until, "the emergency ended before its time");
    let events = asked.0.ask("GET", "/events", None).await?.to_string();
    ensure!(events.contains("secret.expiry_overridden") && events.contains("the vendor is late"), "{events}");
    Ok(())
}

/// A secret with a date three hours ahead, in a world whose wall clock can be set.
async fn dated() -> Told {
    let told = Told::new().await;
    let engine = &told.still.world.engine;
    let about = About { expires_at: Some((engine.now() + TimeDelta::hours(3)).to_rfc3339()), ..About::default() };
    let request = PutSecret {
        value: Fields(Material::of_texts([("password", "p")])),
        cas: None,
        kind: None,
        about,
        reason: String::new(),
    };
    secrets::put(engine, &actor(), "key", request).await.expect("put");
    told.still.quiet().await;
    told
}

async fn read(told: &Told) -> Result<(), Trouble> {
    secret_read::get(&told.still.world.engine, &actor(), "key", "").await.map(drop)
}

async fn is_refused(told: &Told) -> bool {
    read(told).await.is_err_and(|trouble| trouble.code == "secret-expired")
}

/// Waits, in real time, until the engine has seen that the clock was set.
async fn noticed(told: &Told) {
    let is_told = async || {
        told.still.world.engine.wake();
        told.got().iter().any(|got| got.starts_with("daemon.clock_stepped")).then_some(())
    };
    eventually(Duration::from_secs(20), "the step is told", is_told).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_forward_ends_no_reads_until_ten_minutes_have_confirmed_it() {
    let told = dated().await;
    told.still.clock.step(TimeDelta::hours(5));
    assert!(read(&told).await.is_ok(), "the very next read believes the step");
    noticed(&told).await;
    told.still.clock.advance(Duration::from_secs(590));
    assert!(read(&told).await.is_ok(), "a step of ten minutes less ten seconds is believed");
    told.still.clock.advance(Duration::from_secs(20));
    assert!(is_refused(&told).await, "a steady clock is not believed after ten minutes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_of_a_person_confirms_the_clock_at_once() {
    let told = dated().await;
    told.still.clock.step(TimeDelta::hours(5));
    noticed(&told).await;
    assert!(read(&told).await.is_ok());
    let confirmed = clock::confirm(&told.still.world.engine, &actor(), rotations::Wish::default()).await;
    assert!(confirmed.expect("confirmed").was_held);
    assert!(is_refused(&told).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_taken_back_or_small_changes_nothing() {
    let told = dated().await;
    told.still.clock.step(TimeDelta::hours(5));
    noticed(&told).await;
    told.still.clock.step(-TimeDelta::hours(5));
    assert!(read(&told).await.is_ok());
    told.still.clock.advance(Duration::from_mins(179));
    assert!(read(&told).await.is_ok());
    told.still.clock.step(TimeDelta::minutes(5));
    assert!(is_refused(&told).await, "a step of five minutes is believed");
}
