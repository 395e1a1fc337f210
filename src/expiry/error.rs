//! Why a ladder or an action that somebody wrote is refused.

use super::ladder::MOST_RUNGS;
use crate::schedule::DurationError;

/// A ladder that cannot be used. Raised when it is configured, never later; the operator writes another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// The list of rungs is empty.
    #[error("ladder has no rung: expected 1 to {MOST_RUNGS}")]
    Empty,
    /// The list of rungs is too long.
    #[error("ladder has {count} rungs: expected 1 to {MOST_RUNGS}")]
    TooMany {
        /// How many it has.
        count: usize,
    },
    /// A rung cannot be read.
    #[error("rung of a ladder cannot be read")]
    Duration(#[from] DurationError),
    /// A rung is too far from the expiry.
    #[error("rung `{found}` is too far from the expiry: expected at most `3653d`, ten years")]
    TooFar {
        /// The rung.
        found: String,
    },
    /// A rung is not nearer to the expiry than the one before it.
    #[error("rung `{found}` comes after `{before}`: expected each rung to be shorter than the one before")]
    NotDecreasing {
        /// The rung.
        found: String,
        /// The one before it.
        before: String,
    },
}

impl LadderError {
    /// The stable kebab-case code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "ladder-empty",
            Self::TooMany { .. } => "ladder-too-many-rungs",
            Self::Duration(source) => source.code(),
            Self::TooFar { .. } => "ladder-rung-too-far",
            Self::NotDecreasing { .. } => "ladder-not-decreasing",
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "write for example `rungs = [\"30d\", \"7d\"]`, or leave `rungs` out for the default",
            Self::TooMany { .. } => "keep the rungs at which somebody would do something else than at the one before",
            Self::Duration(source) => source.hint(),
            Self::TooFar { .. } => "write `3653d` or less",
            Self::NotDecreasing { .. } => "order the rungs from the longest to the shortest, each one time",
        }
    }
}

/// An action on expiry that cannot be read. Raised when it is configured; the operator writes another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnExpiryError {
    /// The text names no action.
    #[error("`{found}` is no action on expiry: expected `warn`, `deactivate` or `deactivate after 2h`")]
    Unknown {
        /// The text as written, cut to 64 characters.
        found: String,
    },
    /// The grace period cannot be read.
    #[error("grace period after the expiry cannot be read")]
    Grace(#[from] DurationError),
}

impl OnExpiryError {
    /// The stable kebab-case code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "on-expiry-unknown",
            Self::Grace(source) => source.code(),
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "write `warn` to keep the value readable, or `deactivate` to refuse it",
            Self::Grace(source) => source.hint(),
        }
    }
}
