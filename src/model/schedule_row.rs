//! A secret's schedule as it is kept.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{SecretId, TenantId};

/// A schedule's row. `next_due_at` is the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRow {
    /// The secret that it is for.
    pub secret: SecretId,
    /// Its tenant.
    pub tenant: TenantId,
    /// The rule, as `schedule::Schedule` reads it.
    pub rule: Value,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub pause_reason: String,
    /// What intervals count from: the last publish, or when the schedule began.
    pub counted_from: DateTime<Utc>,
    /// When the next rotation is due; none where there is no next one.
    pub next_due_at: Option<DateTime<Utc>>,
    /// The release of the time-zone data by which `next_due_at` was made.
    pub zone_data: String,
    /// Grows by one with each change.
    pub revision: i64,
}
