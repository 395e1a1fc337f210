//! A simulated year of dates: registrations, later dates, crashes, downtimes, a receiver that is sometimes away. What
//! was told equals `tests/reference/told.py`, and each of it reached the receiver.

use std::{collections::BTreeSet, io::Write as _, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use keywheel::{
    engine::{
        Options,
        ops::{
            channels::{self, PutChannel},
            secrets::About,
            tracked::{self, Track},
        },
    },
    model::Actor,
    notify::Limits,
    store::event,
};
use serde_json::{Value, json};

use super::still::{Still, calm};
use crate::support::{
    hooks::Receiver,
    proof::{Proof, count},
    random::Sampler,
};

const DAY: u64 = 86_400;
const YEAR: u64 = 365 * DAY;

/// Thursday, 1 January 2026, 00:00 UTC.
const BEGIN: i64 = 1_767_225_600;

/// Something that happens at a second of the year.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Date { item: usize, date: u64 },
    Crash { down: u64 },
    Away,
    Back,
}

fn at(second: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(BEGIN, 0).expect("a time") + TimeDelta::seconds(i64::try_from(second).unwrap_or(0))
}

/// What happens, in order, and the downtimes.
fn plan(sampler: &mut Sampler, items: usize, crashes: u64) -> (Vec<(u64, Happening)>, Vec<[u64; 2]>) {
    let mut happenings = Vec::new();
    let mut downs: Vec<[u64; 2]> = Vec::new();
    let stretch = YEAR / crashes;
    for crash in 0..crashes {
        let begin = crash * stretch + sampler.below(stretch / 3);
        let down = if sampler.below(3) == 0 { sampler.below(stretch / 2) } else { 0 };
        happenings.push((begin, Happening::Crash { down }));
        downs.push([begin, begin + down]);
    }
    let is_down = |second: u64| downs.iter().any(|[from, to]| (*from..=*to).contains(&second));
    for item in 0..items {
        let mut known = sampler.below(YEAR - 60 * DAY);
        while is_down(known) {
            known += DAY;
        }
        let mut date = known + DAY / 2 + sampler.below(120 * DAY);
        happenings.push((known, Happening::Date { item, date }));
        if sampler.below(3) == 0 {
            known += sampler.below(40 * DAY);
            while is_down(known) {
                known += DAY;
            }
            date = date.max(known) + DAY + sampler.below(200 * DAY);
            happenings.push((known, Happening::Date { item, date }));
        }
    }
    for _ in 0..5 {
        let away = sampler.below(YEAR - 10 * DAY);
        happenings.push((away, Happening::Away));
        happenings.push((away + sampler.below(6 * 3_600), Happening::Back));
    }
    happenings.retain(|(second, _)| *second < YEAR);
    happenings.sort();
    (happenings, downs)
}

fn name(item: usize) -> String {
    format!("item/{item:05}")
}

/// The reference's answer.
fn ideal(happenings: &[(u64, Happening)], downs: &[[u64; 2]], items: usize) -> Result<Vec<String>> {
    let dates = |item: usize| -> Vec<Value> {
        let of = |(second, happening): &(u64, Happening)| match happening {
            Happening::Date { item: other, date } if *other == item => Some(json!([second, date])),
            _ => None,
        };
        happenings.iter().filter_map(of).collect()
    };
    let items: Vec<Value> = (0..items).map(|item| json!({ "name": name(item), "dates": dates(item) })).collect();
    let asked = json!({ "items": items, "downs": downs, "end": YEAR });
    let python = std::env::var("KEYWHEEL_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/told.py");
    let mut child =
        std::process::Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("an input")?.write_all(asked.to_string().as_bytes())?;
    let answer = child.wait_with_output()?;
    ensure!(answer.status.success(), "the reference failed");
    let told: Vec<(String, u64, u64)> = serde_json::from_slice(&answer.stdout)?;
    let mut told: Vec<String> = told.iter().map(|(name, date, rung)| format!("{name} {date} {rung}")).collect();
    told.sort();
    Ok(told)
}

async fn put_date(still: &Still, item: usize, date: u64) -> Result<()> {
    let about = About { expires_at: Some(at(date).to_rfc3339()), ..About::default() };
    let request = Track { about, reason: String::new() };
    tracked::put(&still.world.engine, &Actor::daemon(), &name(item), request).await?;
    Ok(())
}

/// What the events tell: name, date and rung of each warning.
async fn warned(still: &Still) -> Result<Vec<String>> {
    let (engine, mut after, mut told) = (&still.world.engine, String::new(), Vec::new());
    let mut tx = engine.store.read().await?;
    loop {
        let page = event::list_after(&mut tx, engine.keyring(), &engine.tenant, &after, 1000).await?;
        let Some(last) = page.last() else { break };
        last.id.as_str().clone_into(&mut after);
        for event in page.iter().filter(|event| event.kind == "expiry.warned") {
            let id = keywheel::model::SecretId::parse(&event.subject)?;
            let found = keywheel::store::secret::find(&mut tx, engine.keyring(), &engine.tenant, &id).await?;
            let name = found.context("a tracked item")?.name.to_string();
            let seconds = |field: &str| event.facts[field].as_i64().unwrap_or(0) / 1_000_000;
            told.push(format!("{name} {} {}", seconds("expires_at") - BEGIN, seconds("rung")));
        }
    }
    told.sort();
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notices_of_a_year_equal_the_ideal() -> Result<()> {
    let proof = Proof::begin("year of notices", "warnings of a year with crashes and downtimes");
    let mut sampler = Sampler::new(proof.seed());
    let (items, crashes) = (usize::try_from(count(300, 10_000))?, count(20, 100));
    let (happenings, downs) = plan(&mut sampler, items, crashes);
    let allow = vec!["127.0.0.0/8".parse().expect("a network")];
    let options = Options { notify: Limits { allow, ..Limits::default() }, ..calm() };
    let mut still = Still::at(at(0), options).await;
    let receiver = Receiver::start().await?;
    still.world.start();
    let settings = json!({ "url": receiver.url() });
    let request =
        PutChannel { kind: "webhook".to_owned(), settings, enabled: true, heartbeat: None, reason: String::new() };
    channels::put(&still.world.engine, &Actor::daemon(), "hook", request).await?;
    for (second, happening) in &happenings {
        if at(*second) > still.world.engine.now() {
            still.pass(at(*second)).await;
        }
        match happening {
            Happening::Date { item, date } => put_date(&still, *item, *date).await?,
            Happening::Away => receiver.answer_always(Some(503)),
            Happening::Back => receiver.answer_always(None),
            Happening::Crash { down } => {
                still.world.crash().await;
                still.clock.advance(Duration::from_secs(*down));
                still.world.restart().await;
            }
        }
    }
    receiver.answer_always(None);
    still.pass(at(YEAR)).await;
    let expected = ideal(&happenings, &downs, items)?;
    let told = warned(&still).await?;
    ensure!(told == expected, "{}", difference(&told, &expected));
    still.pass(at(YEAR + 3 * DAY)).await;
    let undelivered = undelivered(&still).await?;
    ensure!(undelivered == 0, "{undelivered} sends are open or dead");
    still.world.stop().await;
    proof.end(told.len() as u64, expected.len() as u64)
}

/// Sends that are neither delivered, grouped nor superseded.
async fn undelivered(still: &Still) -> Result<i64> {
    let engine = &still.world.engine;
    let mut tx = engine.store.read().await?;
    let backlog = keywheel::store::notices::send::read_backlog(&mut tx, &engine.tenant).await?;
    Ok(backlog.open + backlog.dead)
}

fn difference(told: &[String], expected: &[String]) -> String {
    let of = |texts: &[String]| texts.iter().cloned().collect::<BTreeSet<_>>();
    let (one, other) = (of(told), of(expected));
    let more: Vec<_> = one.difference(&other).take(10).collect();
    let less: Vec<_> = other.difference(&one).take(10).collect();
    format!("{} told, {} expected; too many: {more:?}; too few: {less:?}", told.len(), expected.len())
}
