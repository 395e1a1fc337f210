//! When a schedule is next due: from the row that is kept to the pure rules of `schedule/`.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Engine, Kind, Trouble, load::Subject};
use crate::{
    model::{ScheduleRow, Secret},
    schedule::{Due, DueContext, Fired, Lifetime, NextDue, Schedule, fired, may_start_at, next_due},
};

/// What a schedule counts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CountFrom {
    /// The last publish, or the beginning.
    pub(crate) origin: DateTime<Utc>,
    /// When the current version became current; none where there is no current version.
    pub(crate) published_at: Option<DateTime<Utc>>,
    /// The present.
    pub(crate) now: DateTime<Utc>,
}

/// Reads the rule of a kept schedule.
pub(crate) fn read(row: &ScheduleRow) -> Result<Schedule, Trouble> {
    serde_json::from_value(row.rule.clone()).map_err(|error| {
        let sentence = format!("the schedule of `{}` cannot be read: {error}", row.secret);
        let hint = "set the schedule anew with `keywheel schedule set`";
        Trouble::new(Kind::Internal, "schedule-unreadable", sentence, hint)
    })
}

impl Engine {
    /// The next planned moment of a schedule; none if it never fires by itself.
    pub(crate) fn next_due(&self, row: &ScheduleRow, secret: &Secret, from: CountFrom) -> Result<Option<Due>, Trouble> {
        let lifetime =
            from.published_at.zip(secret.expires_at).map(|(starts_at, expires_at)| Lifetime { starts_at, expires_at });
        let cx = DueContext {
            after: from.origin,
            now: from.now,
            secret_id: secret.id.as_str(),
            lifetime,
            expiry_margin: self.options.expiry_margin,
        };
        Ok(match next_due(&read(row)?.compile(), &cx) {
            NextDue::At(due) => Some(due),
            NextDue::Never(_) => None,
        })
    }

    /// What becomes of a plan that came due.
    pub(super) fn fired(&self, row: &ScheduleRow, subject: &Subject, due: DateTime<Utc>) -> Result<Fired, Trouble> {
        let cx = context(row, subject, self.now(), self.options.expiry_margin);
        Ok(fired(&read(row)?.compile(), &cx, due))
    }
}

/// The first moment from `now` on at which a planned rotation may start; `now` itself where nothing restricts it.
pub(super) fn planned_start(subject: &Subject, now: DateTime<Utc>, expiry_margin: Duration) -> Option<DateTime<Utc>> {
    let Some(row) = &subject.schedule else { return Some(now) };
    // A schedule that cannot be read holds nothing up: whoever reads it next says so.
    let Ok(schedule) = read(row) else { return Some(now) };
    may_start_at(&schedule.compile(), &context(row, subject, now, expiry_margin))
}

fn context<'a>(row: &ScheduleRow, subject: &'a Subject, now: DateTime<Utc>, expiry_margin: Duration) -> DueContext<'a> {
    let published_at = subject.current().and_then(|version| version.published_at);
    let lives = published_at.zip(subject.secret.expires_at);
    DueContext {
        after: row.counted_from,
        now,
        secret_id: subject.secret.id.as_str(),
        lifetime: lives.map(|(starts_at, expires_at)| Lifetime { starts_at, expires_at }),
        expiry_margin,
    }
}
