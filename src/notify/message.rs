//! What is told, in plain types. No secret value stands in a message.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a message is about; each class has a list of its own in a mail program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Something will expire, or has.
    Expiry,
    /// A rotation failed, is stuck, late or over.
    Rotation,
    /// The daemon itself: a full store, a stepped clock, a dead channel.
    Daemon,
    /// Many at once.
    Digest,
    /// A sign of life, for a dead man's switch.
    Heartbeat,
    /// A person tries the channel.
    Test,
}

impl Class {
    /// The word of the class.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expiry => "expiry",
            Self::Rotation => "rotation",
            Self::Daemon => "daemon",
            Self::Digest => "digest",
            Self::Heartbeat => "heartbeat",
            Self::Test => "test",
        }
    }
}

/// How urgent a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look, in days.
    Warning,
    /// Somebody should look today.
    Error,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// The word of the severity; the same as PagerDuty's.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// Whether what is told still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It holds.
    Open,
    /// It is over; closes the thread.
    Resolved,
}

impl State {
    /// The word of the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
        }
    }
}

/// A line of a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is about.
    pub name: String,
    /// What is told of it.
    pub sentence: String,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Everything that a channel needs to tell something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The notice; the same over all its attempts.
    pub id: String,
    /// The event that it tells.
    pub event_id: String,
    /// The kind of event, as in `expiry.warning`.
    pub kind: String,
    /// What it is about.
    pub class: Class,
    /// How urgent it is.
    pub severity: Severity,
    /// Whether it still holds.
    pub state: State,
    /// The same for everything told of one secret version: the root of a mail thread, the key of an alert.
    pub thread: String,
    /// The tenant.
    pub tenant: String,
    /// The secret or target that it is about; empty if there is none.
    pub subject: String,
    /// Who owns that; may be empty.
    pub owner: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What happened, in one sentence.
    pub summary: String,
    /// More, as labels with values.
    pub detail: Vec<(String, String)>,
    /// What keywheel will do and when; may be empty.
    pub will_do: String,
    /// What the reader is asked to do; may be empty.
    pub asked: String,
    /// The expiry that it is about.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Where to look, built from the configured public address alone.
    pub link: Option<String>,
    /// The lines of a digest.
    pub items: Vec<Item>,
}
