//! An occurrence: one planned fire or one request, open until it ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Actor, OccurrenceId, RotationId, SecretId, TenantId, VersionId};

/// What asked for a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OccurrenceOrigin {
    /// The schedule.
    Planned,
    /// A person or a program.
    Requested,
}

impl OccurrenceOrigin {
    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Requested => "requested",
        }
    }
}

/// How an occurrence ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OccurrenceEnd {
    /// A rotation for it was published.
    Done,
    /// Another occurrence's rotation served it too.
    Coalesced,
    /// Its time passed while nothing could act, and the schedule says to skip.
    Missed,
    /// Its rotations failed, or it was withdrawn.
    Failed,
}

impl OccurrenceEnd {
    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Coalesced => "coalesced",
            Self::Missed => "missed",
            Self::Failed => "failed",
        }
    }
}

/// An occurrence's row. Missed neighbours are one row with first, last and count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Its id.
    pub id: OccurrenceId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its secret.
    pub secret: SecretId,
    /// What asked.
    pub origin: OccurrenceOrigin,
    /// How it ended; none while it is open.
    pub end: Option<OccurrenceEnd>,
    /// The first planned fire that it stands for.
    pub first_at: DateTime<Utc>,
    /// The last planned fire that it stands for.
    pub last_at: DateTime<Utc>,
    /// How many planned fires it stands for.
    pub fires: i64,
    /// Rotations that were tried for it and unwound.
    pub attempts: i64,
    /// No rotation is started for it before this time.
    pub not_before: Option<DateTime<Utc>>,
    /// Who asked.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// The rotation that works, or worked, for it.
    pub rotation: Option<RotationId>,
    /// The kept version whose value is to become current again: a rollback of a finished rotation.
    pub candidate_from: Option<VersionId>,
    /// Why it ended as it did.
    pub why: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}
