//! A version: one value of a secret.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Actor, KeyId, RotationId, SecretId, TenantId, VersionId};

/// Where a version stands in rotation, in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Sealed and perhaps accepted by the target; enters at seal, leaves at publish or when its rotation unwinds.
    Candidate,
    /// The one that is served; enters at publish, leaves when a later one is published.
    Current,
    /// The one before, possibly still accepted; leaves when it is retired.
    Previous,
    /// No longer used. Its value is kept until it is destroyed.
    Retired,
}

impl Stage {
    /// The stored text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Retired => "retired",
        }
    }

    /// Reads a stored text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Candidate, Self::Current, Self::Previous, Self::Retired].into_iter().find(|s| s.as_str() == text)
    }
}

/// A version's row; the value is sealed in `token`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id, immutable from birth.
    pub id: VersionId,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its secret.
    pub secret: SecretId,
    /// 1, 2, 3 without holes; given when it becomes current.
    pub number: Option<i64>,
    /// Where it stands in rotation.
    pub stage: Stage,
    /// Who it is at the target; empty for a secret without one.
    pub identity: String,
    /// The generation of the tenant's root that sealed it.
    pub key: KeyId,
    /// The sealed value; none once destroyed.
    pub token: Option<Vec<u8>>,
    /// A keyed fingerprint of the value.
    pub fingerprint: String,
    /// The rotation that made it.
    pub rotation: Option<RotationId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Actor,
    /// When it became current.
    pub published_at: Option<DateTime<Utc>>,
    /// When the target should stop accepting it.
    pub retire_at: Option<DateTime<Utc>>,
    /// When the target was seen not to accept it any more, or it was set aside.
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was deleted; can be undone.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When reads of it were switched off.
    pub deactivated_at: Option<DateTime<Utc>>,
    /// When its value was destroyed; cannot be undone.
    pub destroyed_at: Option<DateTime<Utc>>,
    /// Grows by one with each change.
    pub revision: i64,
}
