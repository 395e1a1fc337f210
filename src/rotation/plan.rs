//! What to do next: a pure function of where the rotation stands.

use super::{Because, Rotation, Status};

/// Attempts to apply in one rotation, of all its candidates.
pub const MAX_ATTEMPTS: u32 = 5;

/// Refused or misconfigured ways back before a rotation is stuck.
pub const MAX_REVERTS: u32 = 5;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Record that another claim goes on.
    TakeOver,
    /// Make a candidate and seal it.
    Prepare,
    /// Record the attempt and make the target accept the candidate.
    Apply {
        /// 1 for the first.
        attempt: u32,
    },
    /// Make sure that no earlier attempt can act.
    Settle,
    /// Try candidate and current at the target.
    Probe,
    /// Use the candidate at every endpoint, until the deadline.
    Verify,
    /// Make the candidate current.
    Publish,
    /// Turn around, by the operator's wish.
    TurnBack {
        /// Why.
        because: Because,
    },
    /// Record the attempt and put the target back.
    Revert {
        /// 1 for the first.
        attempt: u32,
    },
    /// End without a change.
    EndUnwound {
        /// Why.
        because: Because,
    },
    /// Nothing before this time, in microseconds since 1970.
    Wait {
        /// The time.
        until: i64,
    },
    /// Nothing: it ended, or a person must act.
    Nothing,
}

/// Says what to do next at a time (microseconds since 1970).
pub fn plan(rotation: &Rotation, now: i64) -> Next {
    if let Some(because) = &rotation.rollback
        && let Some(next) = turn_back(rotation, because)
    {
        return next;
    }
    match &rotation.status {
        Status::Planned => Next::Prepare,
        Status::Sealed { not_before } | Status::Unwinding { not_before, .. } if *not_before > now => {
            Next::Wait { until: *not_before }
        }
        Status::Sealed { .. } if rotation.value_refused => Next::Prepare,
        Status::Sealed { .. } => Next::Apply { attempt: rotation.attempts + 1 },
        Status::Applying | Status::Reverting { .. } => Next::TakeOver,
        Status::Unknown { settled: false } | Status::Unwinding { settled: false, .. } => Next::Settle,
        Status::Unknown { settled: true } => Next::Probe,
        Status::Applied => Next::Verify,
        Status::Verified => Next::Publish,
        Status::Unwinding { .. } => Next::Revert { attempt: rotation.reverts + 1 },
        Status::Reverted { because } => Next::EndUnwound { because: because.clone() },
        Status::Stuck { .. } | Status::Published { .. } | Status::Unwound { .. } | Status::Resolved => Next::Nothing,
    }
}

fn turn_back(rotation: &Rotation, because: &Because) -> Option<Next> {
    match &rotation.status {
        Status::Planned => Some(Next::EndUnwound { because: because.clone() }),
        Status::Sealed { .. } | Status::Applied | Status::Verified | Status::Unknown { settled: true } => {
            Some(Next::TurnBack { because: because.clone() })
        }
        _ => None,
    }
}
