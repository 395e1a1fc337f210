//! How the daemon and its store are.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    access::listener::ListenerView,
    channels::{MOST, is_failing},
};
use crate::{
    engine::{
        Engine, Trouble,
        notices::rules::{ChannelRules, kind, read},
    },
    store::{
        Tx,
        agenda::{self, Part},
        alert, document,
        notices::send,
        occurrence, overview, rotation,
    },
};

/// How the daemon and its store are.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// keywheel's release.
    pub version: String,
    /// `sqlite` or `postgres`.
    pub store: String,
    /// Whether the disk has no room for new work.
    pub short_of_room: bool,
    /// Secrets that are not deleted.
    pub secrets: i64,
    /// Those of them that have a target.
    pub managed: i64,
    /// Targets.
    pub targets: i64,
    /// Rotations that run, at most 1000 counted.
    pub rotations_running: i64,
    /// What needs a person.
    pub alerts: Vec<AlertLine>,
    /// Occurrences of the last 24 hours, by how they stand: open, done, coalesced, missed, failed.
    pub occurrences: BTreeMap<String, i64>,
    /// Agenda rows that are due and wait.
    pub due: i64,
    /// When something is next due.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub next_due_at: Option<DateTime<Utc>>,
    /// The kinds of rotators.
    pub rotators: Vec<String>,
    /// The names of channels that fail.
    #[serde(default)]
    pub channels_failing: Vec<String>,
    /// Notices that a channel gave up.
    #[serde(default)]
    pub dead_letters: i64,
    /// Parts of notices that are yet to be delivered.
    #[serde(default)]
    pub undelivered: i64,
    /// When the oldest of them was made.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub oldest_undelivered_at: Option<DateTime<Utc>>,
    /// What the clock showed before a step forward that nobody has confirmed; none while it is believed.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub clock_held_since: Option<DateTime<Utc>>,
    /// How the HTTPS listener does; none where none is configured.
    #[serde(default)]
    pub https: Option<ListenerView>,
}

/// An open alert.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AlertLine {
    /// What it is about: an id.
    pub subject: String,
    /// What is wrong, in a word.
    pub kind: String,
    /// What is wrong.
    pub sentence: String,
    /// What to do.
    pub hint: String,
    /// Since when.
    #[schema(value_type = String, format = "date-time")]
    pub opened_at: DateTime<Utc>,
}

/// Looks at the store.
pub async fn show(engine: &Engine) -> Result<Status, Trouble> {
    let mut tx = engine.store.read().await?;
    let (tenant, now) = (&engine.tenant, engine.now());
    let counts = overview::count(&mut tx, tenant).await?;
    let running = rotation::list_open(&mut tx, tenant, 1000).await?.len();
    let alerts = alert::list_open(&mut tx, tenant, None).await?;
    let occurrences = occurrence::count_ends(&mut tx, tenant, now - TimeDelta::hours(24)).await?;
    let due = agenda::count_due(&mut tx, now).await?;
    let backlog = send::read_backlog(&mut tx, tenant).await?;
    let channels_failing = failing(engine, &mut tx).await?;
    let next_due_at = agenda::find_earliest(&mut tx, Part::Working, &[], engine.clock.boot()).await?;
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store: if engine.store.is_shared() { "postgres" } else { "sqlite" }.to_owned(),
        short_of_room: engine.is_short_of_room(),
        secrets: counts.secrets,
        managed: counts.managed,
        targets: counts.targets,
        rotations_running: i64::try_from(running).unwrap_or(i64::MAX),
        alerts: alerts.into_iter().map(line).collect(),
        occurrences: occurrences.into_iter().collect(),
        due,
        next_due_at,
        rotators: engine.rotators.kinds().map(str::to_owned).collect(),
        channels_failing,
        dead_letters: backlog.dead,
        undelivered: backlog.open,
        oldest_undelivered_at: backlog.oldest_at,
        clock_held_since: engine.held_since(),
        https: engine.listening.view(now),
    })
}

/// The names of the channels that fail.
async fn failing(engine: &Engine, tx: &mut Tx) -> Result<Vec<String>, Trouble> {
    let mut names = Vec::new();
    for channel in document::list(tx, engine.keyring(), &engine.tenant, kind::CHANNEL, "", MOST).await? {
        let rules: ChannelRules = read(&channel)?;
        if is_failing(&rules, send::find_health(tx, &channel.id).await?.failures) {
            names.push(channel.name);
        }
    }
    Ok(names)
}

fn line(alert: alert::Alert) -> AlertLine {
    AlertLine {
        subject: alert.subject,
        kind: alert.kind,
        sentence: alert.sentence,
        hint: alert.hint,
        opened_at: alert.opened_at,
    }
}
