//! A target: where a credential takes effect.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Acknowledgement, Actor, Name, TargetId, TenantId};

/// Whether a target is being worked with, after repeated failures of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Breaker {
    /// All is well, but for so many failures in a row.
    #[default]
    Closed,
    /// Failed, but not yet often enough.
    Failing {
        /// Failures in a row.
        failures: u32,
    },
    /// Rotations of this target pause until a probe closes it.
    Open {
        /// Since when, in microseconds since 1970.
        since: i64,
        /// Probes that have failed since.
        probes: u32,
        /// What failed.
        because: String,
    },
}

/// A target's row. It holds no credential: it names a secret as its admin.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its id, never reused.
    pub id: TargetId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its name, unique within the tenant.
    pub name: Name,
    /// The rotator's kind.
    pub rotator: String,
    /// Address, TLS and what else the rotator asks for.
    pub settings: Value,
    /// The secret that holds the admin credential.
    pub admin: Option<Name>,
    /// Promises that were knowingly given up.
    pub acknowledged: Vec<Acknowledgement>,
    /// How many rotations may work on it at a time.
    pub parallel: i64,
    /// Whether it is being worked with.
    pub breaker: Breaker,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Actor,
    /// Grows by one with each change.
    pub revision: i64,
}
