//! When a schedule is next due: from the row that is kept to the pure rules of `schedule/`.

use chrono::{DateTime, Utc};

use super::{Engine, Kind, Trouble};
use crate::{
    model::{ScheduleRow, Secret},
    schedule::{CompiledSchedule, Due, DueContext, Lifetime, NextDue, Schedule, next_due},
};

/// What a schedule counts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct From {
    /// The last publish, or the beginning.
    pub(crate) counted_from: DateTime<Utc>,
    /// When the current version became current; none where there is no current version.
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// The present.
    pub(crate) now: DateTime<Utc>,
}

/// Reads the rule of a kept schedule.
pub(crate) fn compile(row: &ScheduleRow) -> Result<CompiledSchedule, Trouble> {
    let read: Result<Schedule, _> = serde_json::from_value(row.rule.clone());
    read.map(|schedule| schedule.compile()).map_err(|error| {
        let sentence = format!("the schedule of `{}` cannot be read: {error}", row.secret);
        Trouble::new(Kind::Internal, "schedule-unreadable", sentence, "set the schedule anew with `keywheel schedule set`")
    })
}

impl Engine {
    /// The next planned moment of a schedule; none if it never fires by itself.
    pub(crate) fn next_due(&self, row: &ScheduleRow, secret: &Secret, from: From) -> Result<Option<Due>, Trouble> {
        let lifetime = from
            .published_at
            .zip(secret.expires_at)
            .map(|(starts_at, expires_at)| Lifetime { starts_at, expires_at });
        let cx = DueContext {
            after: from.counted_from,
            now: from.now,
            secret_id: secret.id.as_str(),
            lifetime,
            expiry_margin: self.options.expiry_margin,
        };
        Ok(match next_due(&compile(row)?, &cx) {
            NextDue::At(due) => Some(due),
            NextDue::Never(_) => None,
        })
    }
}
