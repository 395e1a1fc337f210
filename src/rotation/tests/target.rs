//! A target as a set of accepted values, with dead attempts that may still act.

use std::collections::BTreeSet;

/// The value in use before the rotation; candidates are 1, 2, 3.
pub(super) const BEFORE: u8 = 0;
/// A value that keywheel does not know.
pub(super) const FOREIGN: u8 = 255;

/// How the target holds values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// One account: a new value ends the old one.
    One,
    /// Two accounts: the candidate's is another than the one in use.
    Two,
}

/// A change of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The candidate is accepted.
    Apply(u8),
    /// As before the rotation.
    Revert(u8),
}

/// The target.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) holds: Holds,
    pub(super) accepted: BTreeSet<u8>,
    /// Changes whose client is dead, and which act at any moment until they are settled.
    pub(super) waiting: Vec<Change>,
}

impl Target {
    pub(super) fn accepting(holds: Holds, value: u8) -> Self {
        Self { holds, accepted: BTreeSet::from([value]), waiting: Vec::new() }
    }

    pub(super) fn run(&mut self, change: Change) {
        match (self.holds, change) {
            (Holds::One, Change::Apply(value)) => self.accepted = BTreeSet::from([value]),
            (Holds::One, Change::Revert(_)) => self.accepted = BTreeSet::from([BEFORE]),
            (Holds::Two, Change::Apply(value)) => {
                self.accepted.retain(|known| *known == BEFORE);
                self.accepted.insert(value);
            }
            (Holds::Two, Change::Revert(candidate)) => {
                self.accepted.remove(&candidate);
                // The account of an earlier candidate is the same one.
                self.accepted.retain(|known| *known == BEFORE);
            }
        }
    }

    /// A dead attempt acts.
    pub(super) fn act(&mut self) {
        if !self.waiting.is_empty() {
            let change = self.waiting.remove(0);
            self.run(change);
        }
    }
}
