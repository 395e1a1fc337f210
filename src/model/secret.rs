//! A secret: a named, typed, versioned value, with or without a rotator.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Actor, Name, RotationId, SecretId, TargetId, TenantId};

/// A promise that was knowingly given up, by the code of the finding. Void when the finding's sentence changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// The finding's code.
    pub code: String,
    /// What was found when it was acknowledged.
    pub sentence: String,
    /// Who acknowledged.
    pub actor: Actor,
    /// When, in microseconds since 1970.
    pub at: i64,
}

/// A secret's row. Its values are its versions.
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    /// Its id, never reused.
    pub id: SecretId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its name, unique within the tenant.
    pub name: Name,
    /// Its type: `password`, `generic`.
    pub kind: String,
    /// Who answers for it.
    pub owner: String,
    /// What it is for.
    pub description: String,
    /// Labels, `key` to value.
    pub tags: BTreeMap<String, String>,
    /// Where it takes effect; a secret with a target is managed.
    pub target: Option<TargetId>,
    /// The rotator's settings.
    pub settings: Value,
    /// Promises that were knowingly given up.
    pub acknowledged: Vec<Acknowledgement>,
    /// How long the previous version stays valid after a publish, in microseconds.
    pub overlap_us: i64,
    /// How long a deleted secret can be brought back, in microseconds.
    pub recovery_us: i64,
    /// When the current value expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// The number that the next published version gets.
    pub next_number: i64,
    /// The rotation that runs.
    pub rotation: Option<RotationId>,
    /// When the current value is next probed for drift.
    pub probe_at: Option<DateTime<Utc>>,
    /// When it was deleted; it can be brought back until `recovery_us` later.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Actor,
    /// Grows by one with each change.
    pub revision: i64,
}

impl Secret {
    /// Whether a finding has been acknowledged as it now stands.
    pub fn acknowledges(&self, code: &str, sentence: &str) -> bool {
        self.acknowledged.iter().any(|a| a.code == code && a.sentence == sentence)
    }
}
