//! Compares what a store says was told with what a receiver got. Written against the tables, not by the code that fills
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::support::hooks::Got;

/// The kinds of event that people must be told of, whatever came before; those that end a matter are told only where
/// it was open.
const ALWAYS_TOLD: [&str; 7] = [
    "rotation.planned",
    "rotation.published",
    "rotation.unwound",
    "rotation.stuck",
    "occurrence.failed",
    "expiry.warned",
    "alert.opened",
];

/// What was looked at.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Events of which people are told.
    pub(super) events: u64,
    /// Messages that came, repeats included.
    pub(super) came: u64,
    /// Those that came again.
    pub(super) repeats: u64,
    /// Notices that a later one of their matter took the place of.
    pub(super) superseded: u64,
}

/// An event as it stands in the store.
#[derive(Debug, sqlx::FromRow)]
struct Event {
    id: String,
    kind: String,
    subject: String,
    facts: String,
}

/// A notice with its part of the one channel.
#[derive(Debug, sqlx::FromRow)]
struct Notice {
    id: String,
    event_id: String,
    kind: String,
    thread: String,
    muted: String,
    state: Option<String>,
}

/// A store that is read from outside.
pub(super) struct Outbox(SqliteConnection);

impl Outbox {
    pub(super) async fn open(store: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(store).read_only(true);
        Ok(Self(SqliteConnection::connect_with(&options).await.context("open the store from outside")?))
    }

    /// News and sends that are yet to be told.
    pub(super) async fn under_way(&mut self) -> Result<i64> {
        let sql = "SELECT (SELECT COUNT(*) FROM news) + (SELECT COUNT(*) FROM send WHERE ended_at IS NULL)";
        Ok(sqlx::query_scalar(sql).fetch_one(&mut self.0).await?)
    }

    /// Fails where something was not told, or something was told that did not happen. `dates` are those that were ever
    /// given, in microseconds, by name; `channel` is the name of the only channel.
    pub(super) async fn judge(&mut self, got: &[Got], dates: &BTreeMap<String, BTreeSet<i64>>) -> Result<Judged> {
        let events: Vec<Event> =
            sqlx::query_as("SELECT id, kind, subject, facts FROM event ORDER BY id").fetch_all(&mut self.0).await?;
        let notices: Vec<Notice> = sqlx::query_as(
            "SELECT notice.id, event_id, kind, notice.thread, muted, send.state FROM notice
             LEFT JOIN send ON send.notice_id = notice.id ORDER BY notice.id",
        )
        .fetch_all(&mut self.0)
        .await?;
        let mut judged = Judged { came: got.len() as u64, ..Judged::default() };
        ensure!(self.under_way().await? == 0, "something is yet to be told");
        self.prove_nothing_made_up(&events, dates).await?;
        let ids: BTreeSet<&str> = got.iter().map(|got| got.id.as_str()).collect();
        judged.repeats = judged.came - ids.len() as u64;
        for event in events.iter().filter(|event| is_always_told(event)) {
            let of_event = |notice: &&Notice| notice.event_id == event.id;
            let notice = notices.iter().find(of_event).with_context(|| format!("no notice of {event:?}"))?;
            ensure!(notice.muted.is_empty(), "muted: {notice:?}");
            judged.events += 1;
        }
        for notice in notices.iter().filter(|notice| notice.muted.is_empty()) {
            match notice.state.as_deref() {
                Some("sent") => ensure!(ids.contains(notice.id.as_str()), "never came: {notice:?}"),
                Some("superseded") => {
                    let is_later = |later: &Notice| later.thread == notice.thread && later.id > notice.id;
                    ensure!(notices.iter().any(is_later), "nothing took its place: {notice:?}");
                    judged.superseded += 1;
                }
                // What tells of the channel itself has no other one to go by.
                None if notice.kind.starts_with("channel.") => {}
                _ => anyhow::bail!("neither sent nor superseded: {notice:?}"),
            }
        }
        for message in got {
            prove_of_an_event(message, &notices)?;
        }
        Ok(judged)
    }

    /// No event tells of a change that the store does not hold.
    async fn prove_nothing_made_up(&mut self, events: &[Event], dates: &BTreeMap<String, BTreeSet<i64>>) -> Result<()> {
        let made_up: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM event WHERE kind = 'rotation.published' AND NOT EXISTS
                 (SELECT 1 FROM version WHERE version.rotation_id = event.rotation_id AND number IS NOT NULL)",
        )
        .fetch_one(&mut self.0)
        .await?;
        let untold: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM version WHERE rotation_id IS NOT NULL AND number IS NOT NULL AND
                 (SELECT COUNT(*) FROM event WHERE kind = 'rotation.published' AND
                     event.rotation_id = version.rotation_id) <> 1",
        )
        .fetch_one(&mut self.0)
        .await?;
        ensure!((made_up, untold) == (0, 0), "{made_up} publishes never happened, {untold} were not told one time");
        let names: Vec<(String, String)> = sqlx::query_as("SELECT id, name FROM secret").fetch_all(&mut self.0).await?;
        let names: BTreeMap<String, String> = names.into_iter().collect();
        let mut rungs = BTreeSet::new();
        for event in events.iter().filter(|event| event.kind == "expiry.warned") {
            let facts: Value = serde_json::from_str(&event.facts)?;
            let at = facts["expires_at"].as_i64().context("a date")?;
            let given = names.get(&event.subject).and_then(|name| dates.get(name));
            ensure!(given.is_some_and(|given| given.contains(&at)), "nobody gave this date: {event:?}");
            ensure!(rungs.insert((&event.subject, at, facts["rung"].to_string())), "a rung twice: {event:?}");
        }
        Ok(())
    }
}

fn is_always_told(event: &Event) -> bool {
    // These two are told by the rotation's own events.
    let is_of_rotation = ["\"stuck\"", "\"rotation-failed\""].iter().any(|kind| event.facts.contains(kind));
    let is_of_channel = event.facts.contains("\"channel-failing\"");
    let is_told = ALWAYS_TOLD.contains(&event.kind.as_str());
    is_told && !(event.kind == "alert.opened" && (is_of_rotation || is_of_channel))
}

/// What came is a notice of the store, of the event that it names, under the same id inside and outside.
fn prove_of_an_event(message: &Got, notices: &[Notice]) -> Result<()> {
    let known = notices.iter().find(|notice| notice.id == message.id);
    let known = known.with_context(|| format!("no notice is {}", message.id))?;
    let is_same = message.body["id"] == message.id.as_str()
        && message.body["data"]["event_id"] == known.event_id.as_str()
        && message.kind() == known.kind;
    ensure!(is_same, "{message:?} is not {known:?}");
    Ok(())
}
