//! When a secret's next rotation is due, as pure functions over data: `now` is passed in, nothing is read or kept.
//! Whether a fire *was* done is not decided here: the store's occurrences know that (I6).
//! Invariants: an answer lies after the last publish, and never outside the window or in a freeze unless it says
//! [`Because::ExpiryBeatsWindow`]; the same question has the same answer on every replica.

mod check;
mod compiled;
mod context;
mod cron;
mod due;
mod duration;
mod error;
mod fired;
mod freeze;
mod jitter;
mod missed;
#[cfg(test)]
mod properties;
mod quiet;
mod rhythm;
mod rule;
mod slots;
mod text;
mod wall;
mod window;
mod zone;

pub use check::{Finding, check};
pub use compiled::CompiledSchedule;
pub use context::{DueContext, Lifetime};
pub use cron::{CronText, Precision};
pub use due::{Because, Due, GRACE, NeverBecause, NextDue, next_due};
pub use duration::{DurationError, HumanDuration};
pub use error::ScheduleError;
pub use fired::{Fired, fired, may_start_at};
pub use freeze::{Freeze, FreezePoint};
pub use missed::{MISSED_CAP, Missed, missed, occurrences_between};
pub use rule::{MissedPolicy, Named, Rule, Schedule, Share};
pub use text::{FreezeText, ScheduleText};
pub use {quiet::quiet_until, window::Window, zone::zone_data_version};
