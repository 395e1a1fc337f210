//! A schedule made ready to answer. Making it costs some 15 µs, so callers keep it.

use chrono::TimeDelta;

use super::rhythm::Rhythm;
use super::rule::{MissedPolicy, Schedule};
use super::slots::Slots;

/// A [`Schedule`] with its cron rule parsed and its freezes turned into instants.
#[derive(Debug, Clone)]
pub struct CompiledSchedule {
    pub(super) rhythm: Rhythm,
    pub(super) slots: Slots,
    pub(super) jitter: TimeDelta,
    pub(super) missed: MissedPolicy,
}

impl Schedule {
    /// Makes the form that answers. It cannot fail: what can be wrong was refused when the schedule was read.
    pub fn compile(&self) -> CompiledSchedule {
        CompiledSchedule {
            rhythm: Rhythm::new(&self.rule, self.timezone),
            slots: Slots::new(self.timezone, self.window, &self.freeze),
            jitter: self.jitter.map_or(TimeDelta::zero(), super::duration::HumanDuration::as_delta),
            missed: self.missed,
        }
    }
}
