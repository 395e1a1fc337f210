//! The one transition function, total over every pair of status and event.

use super::{
    Because, Candidate, Evidence, MAX_ATTEMPTS, MAX_REVERTS, Recorded, Rotation, Status, Verdict, decide,
    event::FailureClass,
};

/// Why events are not the journal of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The journal does not begin with `planned`.
    #[error("the journal of a rotation begins with `planned`")]
    NoBeginning,
    /// An event cannot follow.
    #[error("`{event}` cannot follow a rotation that is `{status}`")]
    CannotFollow {
        /// Where the rotation stood.
        status: &'static str,
        /// The event's kind.
        event: &'static str,
    },
}

/// Folds a journal, oldest event first.
pub fn fold<'a>(journal: impl IntoIterator<Item = &'a Recorded>) -> Result<Rotation, FoldError> {
    let mut events = journal.into_iter();
    let Some(Recorded::Planned(planned)) = events.next() else {
        return Err(FoldError::NoBeginning);
    };
    let begun = Rotation {
        planned: planned.clone(),
        status: Status::Planned,
        candidates: Vec::new(),
        attempts: 0,
        reverts: 0,
        touched: false,
        lost: false,
        value_refused: false,
        changed_hands: false,
        rollback: None,
        failure: None,
    };
    events.try_fold(begun, transition)
}

/// What one more event makes of a rotation.
pub fn transition(rotation: Rotation, event: &Recorded) -> Result<Rotation, FoldError> {
    use Status as S;
    let mut next = rotation;
    next.status = match (&next.status, event) {
        (S::Planned | S::Sealed { .. }, Recorded::Sealed { version, identity }) => {
            next.candidates.push(Candidate { version: version.clone(), identity: identity.clone() });
            next.value_refused = false;
            S::Sealed { not_before: 0 }
        }
        (S::Sealed { .. }, Recorded::Applying { attempt }) => {
            next.attempts = *attempt;
            next.touched = true;
            S::Applying
        }
        (S::Applying, Recorded::Applied { .. }) => S::Applied,
        (S::Applying, Recorded::ApplyFailed { class, because, not_before, .. }) => {
            next.failure = Some(because.clone());
            after_failed_apply(&mut next, *class, because, *not_before)
        }
        (S::Applying | S::Applied | S::Verified, Recorded::TakenOver { .. }) => {
            next.changed_hands = true;
            S::Unknown { settled: false }
        }
        (S::Unknown { .. }, Recorded::Settled) => S::Unknown { settled: true },
        // Evidence counts only when no earlier attempt can act any more.
        (S::Unknown { settled: true }, Recorded::Probed { candidate, current, .. }) => {
            let evidence = Evidence { candidate: candidate.clone(), current: current.clone() };
            after_probe(&mut next, &evidence)
        }
        (S::Applied, Recorded::Verified { .. }) => S::Verified,
        (S::Applied, Recorded::VerifyFailed { because }) => {
            next.failure = Some(because.clone());
            unwinding(because.clone())
        }
        (S::Verified, Recorded::Published { version, number }) => {
            S::Published { version: version.clone(), number: *number }
        }
        (status, Recorded::RollbackRequested { because }) if !status.is_final() => {
            next.rollback = Some(because.clone());
            status.clone()
        }
        (S::Stuck { .. }, Recorded::Retried) => {
            next.attempts = 0;
            next.reverts = 0;
            S::Unknown { settled: false }
        }
        (S::Stuck { .. }, Recorded::Resolved { .. }) => S::Resolved,
        (S::Sealed { .. } | S::Unknown { .. } | S::Unwinding { .. }, Recorded::Stuck { because }) => {
            S::Stuck { because: because.clone() }
        }
        (S::Planned | S::Reverted { .. }, Recorded::Unwound { because }) => S::Unwound { because: because.clone() },
        _ => return on_the_way_back(next, event),
    };
    Ok(next)
}

/// The transitions of a rotation that goes back.
fn on_the_way_back(mut next: Rotation, event: &Recorded) -> Result<Rotation, FoldError> {
    use Status as S;
    next.status = match (&next.status, event) {
        (S::Unwinding { because, not_before, .. }, Recorded::Settled) => {
            S::Unwinding { because: because.clone(), settled: true, not_before: *not_before }
        }
        (S::Unwinding { because, settled: true, .. }, Recorded::Reverting { attempt }) => {
            next.reverts = *attempt;
            S::Reverting { because: because.clone() }
        }
        (S::Reverting { because }, Recorded::Reverted) => {
            next.touched = false;
            S::Reverted { because: because.clone() }
        }
        (S::Reverting { because }, Recorded::RevertFailed { class, because: failure, not_before, .. }) => {
            next.failure = Some(failure.clone());
            let hopeless = matches!(class, FailureClass::Refused | FailureClass::Misconfigured);
            if hopeless && next.reverts >= MAX_REVERTS {
                next.status = S::Stuck { because: failure.clone() };
                return Ok(next);
            }
            S::Unwinding { because: because.clone(), settled: false, not_before: *not_before }
        }
        (S::Reverting { because }, Recorded::TakenOver { .. }) => {
            next.changed_hands = true;
            unwinding(because.clone())
        }
        (S::Sealed { .. } | S::Unknown { .. } | S::Applied | S::Verified, Recorded::TurnedBack { because }) => {
            next.failure = Some(because.clone());
            if next.touched { unwinding(because.clone()) } else { S::Reverted { because: because.clone() } }
        }
        (status, event) => return Err(FoldError::CannotFollow { status: status.word(), event: event.kind() }),
    };
    Ok(next)
}

fn unwinding(because: Because) -> Status {
    Status::Unwinding { because, settled: false, not_before: 0 }
}

fn after_failed_apply(next: &mut Rotation, class: FailureClass, because: &Because, not_before: i64) -> Status {
    // Evidence that both are refused is the only way to a further attempt without evidence that nothing changed.
    let earlier_may_have_acted = next.lost;
    match class {
        FailureClass::Unknown => Status::Unknown { settled: false },
        FailureClass::Refused => {
            next.value_refused = true;
            Status::Unknown { settled: false }
        }
        FailureClass::Transient if next.attempts < MAX_ATTEMPTS => {
            next.touched = earlier_may_have_acted;
            Status::Sealed { not_before }
        }
        FailureClass::Transient | FailureClass::Misconfigured if next.lost => {
            Status::Stuck { because: because.clone() }
        }
        FailureClass::Transient | FailureClass::Misconfigured if earlier_may_have_acted => unwinding(because.clone()),
        FailureClass::Transient | FailureClass::Misconfigured => {
            next.touched = false;
            Status::Reverted { because: because.clone() }
        }
    }
}

fn after_probe(next: &mut Rotation, evidence: &Evidence) -> Status {
    let out_of_attempts = next.attempts >= MAX_ATTEMPTS;
    let because = next.failure.clone().unwrap_or_else(|| {
        Because::new("interrupted", "the rotation was interrupted and its change is not in force", "nothing to do")
    });
    match decide(evidence) {
        Verdict::Forward => {
            next.lost = false;
            Status::Applied
        }
        Verdict::NotApplied => {
            next.lost = false;
            next.touched = false;
            if out_of_attempts { Status::Reverted { because } } else { Status::Sealed { not_before: 0 } }
        }
        Verdict::Lost if out_of_attempts => Status::Stuck {
            because: Because::new(
                "no-version-accepted",
                "the target accepts neither the candidate nor the version before it",
                "set the password at the target by hand, then `keywheel rotation resolve`",
            ),
        },
        Verdict::Lost => {
            next.lost = true;
            Status::Sealed { not_before: 0 }
        }
        Verdict::Hidden => unwinding(because),
        Verdict::Wait => next.status.clone(),
    }
}

impl Recorded {
    /// The event's kind, as it is stored behind `rotation.`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Planned(_) => "planned",
            Self::Sealed { .. } => "sealed",
            Self::Applying { .. } => "applying",
            Self::Applied { .. } => "applied",
            Self::ApplyFailed { .. } => "apply_failed",
            Self::TakenOver { .. } => "taken_over",
            Self::Settled => "settled",
            Self::Probed { .. } => "probed",
            Self::Verified { .. } => "verified",
            Self::VerifyFailed { .. } => "verify_failed",
            Self::RollbackRequested { .. } => "rollback_requested",
            Self::TurnedBack { .. } => "turned_back",
            Self::Reverting { .. } => "reverting",
            Self::Reverted => "reverted",
            Self::RevertFailed { .. } => "revert_failed",
            Self::Published { .. } => "published",
            Self::Unwound { .. } => "unwound",
            Self::Stuck { .. } => "stuck",
            Self::Retried => "retried",
            Self::Resolved { .. } => "resolved",
        }
    }
}
