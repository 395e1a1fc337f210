//! What the fold of a rotation's events is.

use super::{Because, Planned};
use crate::model::VersionId;

/// A candidate of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its version.
    pub version: VersionId,
    /// Who it is at the target.
    pub identity: String,
}

/// Where a rotation stands, in the order of its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Entered by `Planned`; left by `Sealed`. A crash here leaves nothing outside. Operator: nothing to do.
    Planned,
    /// Entered by `Sealed`, by a transient failure, or by evidence that the candidate is not in force; left by
    /// `Applying`. A crash here leaves a kept candidate that no target knows.
    Sealed {
        /// Not before this time, in microseconds since 1970; 0 for at once.
        not_before: i64,
    },
    /// Entered by `Applying`; left by its answer. Met after a load it means that the answer is lost.
    Applying,
    /// Entered by a lost answer, a takeover or a refusal; left by evidence. Operator: bring the target back.
    Unknown {
        /// Whether an earlier attempt is known to be unable to act.
        settled: bool,
    },
    /// Entered by the target's word or by evidence; left by `Verified` or `VerifyFailed`.
    Applied,
    /// Entered by `Verified`; left by `Published`.
    Verified,
    /// Entered by a failure that cannot be mended by going on; left by `Reverted`, `Unwound` or `Stuck`.
    Unwinding {
        /// Why it goes back.
        because: Because,
        /// Whether an earlier attempt is known to be unable to act.
        settled: bool,
        /// Not before this time, in microseconds since 1970.
        not_before: i64,
    },
    /// Entered by `Reverting`; left by its answer. Met after a load it means that the answer is lost.
    Reverting {
        /// Why it goes back.
        because: Because,
    },
    /// Entered by `Reverted`, or when nothing had been touched; left by `Unwound`.
    Reverted {
        /// Why it went back.
        because: Because,
    },
    /// Entered by `Stuck`; left by `Retried` or `Resolved`. Operator: `keywheel rotation resolve`.
    Stuck {
        /// Why.
        because: Because,
    },
    /// The end: the candidate is current.
    Published {
        /// The version.
        version: VersionId,
        /// Its number.
        number: i64,
    },
    /// The end: nothing changed after all.
    Unwound {
        /// Why.
        because: Because,
    },
    /// The end: an operator decided.
    Resolved,
}

impl Status {
    /// The word that lists and metrics show.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Sealed { .. } => "sealed",
            Self::Applying => "applying",
            Self::Unknown { .. } => "unknown",
            Self::Applied => "applied",
            Self::Verified => "verified",
            Self::Unwinding { .. } => "unwinding",
            Self::Reverting { .. } => "reverting",
            Self::Reverted { .. } => "reverted",
            Self::Stuck { .. } => "stuck",
            Self::Published { .. } => "published",
            Self::Unwound { .. } => "unwound",
            Self::Resolved => "resolved",
        }
    }

    /// Whether nothing more will be recorded.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Published { .. } | Self::Unwound { .. } | Self::Resolved)
    }
}

/// The fold of a rotation's events.
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact about what has been seen")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// What it uses to its end.
    pub planned: Planned,
    /// Where it stands.
    pub status: Status,
    /// Its candidates, oldest first; the last is the one at work.
    pub candidates: Vec<Candidate>,
    /// Attempts to apply, of all candidates, since it began or was last retried.
    pub attempts: u32,
    /// Attempts to revert, since it began or was last retried.
    pub reverts: u32,
    /// Whether an attempt may have changed the target and nothing has shown since that it did not.
    pub touched: bool,
    /// Whether the last evidence showed that neither the candidate nor the current version is accepted.
    pub lost: bool,
    /// Whether the candidate's value itself was refused, so that another attempt needs another value.
    pub value_refused: bool,
    /// Whether another claim has ever taken over after an attempt.
    pub changed_hands: bool,
    /// Whether an operator asked for the way back.
    pub rollback: Option<Because>,
    /// The last failure.
    pub failure: Option<Because>,
}

impl Rotation {
    /// The candidate at work.
    pub fn candidate(&self) -> Option<&Candidate> {
        self.candidates.last()
    }

    /// Whether a call was under way, or its result unproven, when the rotation was last recorded: a claim that
    /// begins with such a rotation takes it over.
    pub fn was_interrupted(&self) -> bool {
        match self.status {
            Status::Applying | Status::Reverting { .. } | Status::Applied | Status::Verified => true,
            Status::Planned
            | Status::Sealed { .. }
            | Status::Unknown { .. }
            | Status::Unwinding { .. }
            | Status::Reverted { .. }
            | Status::Stuck { .. }
            | Status::Published { .. }
            | Status::Unwound { .. }
            | Status::Resolved => false,
        }
    }
}
