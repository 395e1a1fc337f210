//! One event of each kind and one rotation of each status.

use chrono::DateTime;
use keywheel_contract::{Refusal, Seen};
use serde_json::json;

use crate::{
    model::{OccurrenceId, TargetId, VersionId},
    rotation::{Because, Candidate, FailureClass, Keep, Planned, Recorded, Rotation, Status},
};

/// The id of the version with this value.
pub(super) fn version(value: u8) -> VersionId {
    VersionId::mint(DateTime::UNIX_EPOCH, [value; 10])
}

/// A reason with a code.
pub(super) fn because(code: &str) -> Because {
    Because::new(code, format!("the sentence of {code}"), "the hint")
}

/// What a rotation uses; its current version has the value 0, if it has one.
pub(super) fn planned(current: Option<u8>) -> Planned {
    Planned {
        occurrences: vec![OccurrenceId::mint(DateTime::UNIX_EPOCH, [1; 10])],
        revision: 3,
        rotator: "fake".to_owned(),
        target: TargetId::mint(DateTime::UNIX_EPOCH, [2; 10]),
        endpoints: json!("here"),
        settings: json!({ "account": "app" }),
        current: current.map(version),
        candidate_from: None,
        next_due_at: Some(1_800_000_000_000_000),
    }
}

/// At least one event of each kind, in the order of a rotation's life; each variant of their facts occurs.
pub(super) fn events() -> Vec<Recorded> {
    let refused = Seen::Refused { refusal: Refusal::WrongCredential };
    let failed = |class| Recorded::ApplyFailed { attempt: 1, class, because: because("failed"), not_before: 17 };
    let not_reverted = |class| Recorded::RevertFailed { attempt: 1, class, because: because("failed"), not_before: 18 };
    vec![
        Recorded::Planned(planned(Some(0))),
        Recorded::Sealed { version: version(1), identity: "app".to_owned() },
        Recorded::Applying { attempt: 1 },
        Recorded::Applied { attempt: 1 },
        failed(FailureClass::Transient),
        failed(FailureClass::Refused),
        failed(FailureClass::Unknown),
        failed(FailureClass::Misconfigured),
        Recorded::TakenOver { fence: 7 },
        Recorded::Settled,
        Recorded::Probed { candidate: refused.clone(), current: Some(refused), older: Some(version(9)) },
        Recorded::Probed {
            candidate: Seen::Unreachable { because: "no route".to_owned() },
            current: None,
            older: None,
        },
        Recorded::Probed { candidate: Seen::Works, current: None, older: None },
        Recorded::Verified { endpoints: vec!["here".to_owned()] },
        Recorded::VerifyFailed { because: because("verify") },
        Recorded::RollbackRequested { because: because("asked") },
        Recorded::TurnedBack { because: because("asked") },
        Recorded::Reverting { attempt: 1 },
        Recorded::Reverted,
        not_reverted(FailureClass::Transient),
        not_reverted(FailureClass::Refused),
        not_reverted(FailureClass::Unknown),
        not_reverted(FailureClass::Misconfigured),
        Recorded::Published { version: version(1), number: 2 },
        Recorded::Unwound { because: because("failed") },
        Recorded::Stuck { because: because("stuck") },
        Recorded::Retried,
        Recorded::Resolved { choice: Keep::Version { version: version(1) }, verified: true },
        Recorded::Resolved { choice: Keep::Nothing, verified: false },
    ]
}

/// Every status, in the order of a rotation's life.
pub(super) fn statuses() -> Vec<Status> {
    let because = || because("some");
    let mut statuses = vec![
        Status::Planned,
        Status::Sealed { not_before: 0 },
        Status::Sealed { not_before: 50 },
        Status::Applying,
        Status::Unknown { settled: false },
        Status::Unknown { settled: true },
        Status::Applied,
        Status::Verified,
    ];
    for settled in [false, true] {
        for not_before in [0, 50] {
            statuses.push(Status::Unwinding { because: because(), settled, not_before });
        }
    }
    statuses.extend([
        Status::Reverting { because: because() },
        Status::Reverted { because: because() },
        Status::Stuck { because: because() },
        Status::Published { version: version(1), number: 2 },
        Status::Unwound { because: because() },
        Status::Resolved,
    ]);
    statuses
}

/// Rotations of a status with every combination of what else a fold knows.
pub(super) fn rotations(status: &Status) -> Vec<Rotation> {
    let mut rotations = Vec::new();
    for bits in 0..64_u8 {
        let is_set = |bit: u8| bits & (1 << bit) != 0;
        for attempts in [0, 1, 5] {
            rotations.push(Rotation {
                planned: planned(is_set(0).then_some(0)),
                status: status.clone(),
                candidates: vec![Candidate { version: version(1), identity: "app".to_owned() }],
                attempts,
                reverts: attempts,
                touched: is_set(1),
                lost: is_set(2),
                value_refused: is_set(3),
                changed_hands: is_set(4),
                rollback: is_set(5).then(|| because("asked")),
                failure: None,
            });
        }
    }
    rotations
}
