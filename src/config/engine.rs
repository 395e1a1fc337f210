//! `[engine]`.

use serde::{Deserialize, Serialize};

use super::{ByteSize, Every};
use crate::schedule::HumanDuration;

/// How much the engine does at a time, and how patient it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Engine {
    /// Rotations and other work at the same time, 1 to 10,000.
    pub tasks: u32,
    /// Work at the same time at one target, unless the target says otherwise; 1 to 10,000.
    pub per_target: u32,
    /// How long a claim lasts without renewal; at least a second.
    pub claim: HumanDuration,
    /// How long one outside call may take.
    pub step_deadline: HumanDuration,
    /// How long verification looks for a candidate to work everywhere.
    pub verify_for: HumanDuration,
    /// How often the current value of a managed secret is probed, or `off`.
    pub probe_every: Every,
    /// Failures in a row after which a target's breaker opens, 1 to 1,000.
    pub breaker_after: u32,
    /// The file that is given up when the disk is full; `0` for none.
    pub ballast: ByteSize,
    /// How long the loop sleeps at most; a clock that was set is noticed within it.
    pub longest_sleep: HumanDuration,
    /// How long before an expiry a rotation must have begun.
    pub expiry_margin: HumanDuration,
}

fn seconds(seconds: u64) -> HumanDuration {
    HumanDuration::from_secs(seconds).expect("in bounds")
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            tasks: 64,
            per_target: 8,
            claim: seconds(15),
            step_deadline: seconds(10),
            verify_for: seconds(60),
            probe_every: Every::Interval(seconds(86_400)),
            breaker_after: 5,
            ballast: ByteSize(8 << 20),
            longest_sleep: seconds(5),
            expiry_margin: seconds(86_400),
        }
    }
}

impl Engine {
    /// What is out of bounds: the key, and what is permitted.
    pub(super) fn out_of_bounds(&self) -> Option<(&'static str, &'static str)> {
        [
            ((1..=10_000).contains(&self.tasks), "tasks", "1 to 10000"),
            ((1..=10_000).contains(&self.per_target), "per_target", "1 to 10000"),
            ((1..=1_000).contains(&self.breaker_after), "breaker_after", "1 to 1000"),
            (self.claim.as_secs() >= 1, "claim", "at least `1s`"),
            (self.longest_sleep.as_secs() <= 60, "longest_sleep", "at most `1m`"),
        ]
        .into_iter()
        .find_map(|(is_fine, key, permitted)| (!is_fine).then_some((key, permitted)))
    }
}
