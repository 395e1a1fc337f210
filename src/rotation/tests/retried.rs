//! A stuck rotation that an operator tries again, and what a failed attempt leaves known.

use keywheel_contract::{Refusal, Seen};

use super::samples::{because, planned, version};
use crate::rotation::{FailureClass, Next, Recorded, Rotation, Status, fold, plan};

fn folded(rest: &[Recorded]) -> Rotation {
    let mut journal =
        vec![Recorded::Planned(planned(Some(0))), Recorded::Sealed { version: version(1), identity: "app".to_owned() }];
    journal.extend_from_slice(rest);
    fold(&journal).expect("a journal")
}

fn saw(candidate: Seen, current: Seen) -> Recorded {
    Recorded::Probed { candidate, current: Some(current), older: None }
}

fn wrong() -> Seen {
    Seen::Refused { refusal: Refusal::WrongCredential }
}

fn failed(attempt: u32, class: FailureClass) -> Recorded {
    Recorded::ApplyFailed { attempt, class, because: because("failed"), not_before: 0 }
}

/// An interrupted attempt, settled.
fn interrupted(attempt: u32) -> [Recorded; 3] {
    [Recorded::Applying { attempt }, Recorded::TakenOver { fence: 2 }, Recorded::Settled]
}

#[test]
fn a_retried_rotation_has_its_attempts_again() {
    let mut journal = Vec::new();
    for attempt in 1..=5 {
        journal.extend(interrupted(attempt));
        journal.push(saw(wrong(), wrong()));
    }
    assert!(matches!(folded(&journal).status, Status::Stuck { .. }));
    journal.extend([Recorded::Retried, Recorded::Settled, saw(wrong(), wrong())]);
    assert_eq!(plan(&folded(&journal), 0), Next::Apply { attempt: 1 });
}

#[test]
fn a_rotation_that_changed_hands_stays_known_as_one() {
    let mut journal = interrupted(1).to_vec();
    journal.push(saw(wrong(), Seen::Works));
    let rotation = folded(&journal);
    assert!(rotation.changed_hands && !rotation.touched, "{rotation:?}");
}

#[test]
fn a_transient_failure_after_a_clean_takeover_touched_nothing() {
    let mut journal = interrupted(1).to_vec();
    journal.extend([saw(wrong(), Seen::Works), Recorded::Applying { attempt: 2 }]);
    journal.push(failed(2, FailureClass::Transient));
    assert!(!folded(&journal).touched);
}

#[test]
fn a_transient_failure_after_both_were_refused_stays_touched() {
    let mut journal = interrupted(1).to_vec();
    journal.extend([saw(wrong(), wrong()), Recorded::Applying { attempt: 2 }]);
    journal.push(failed(2, FailureClass::Transient));
    journal.push(Recorded::TurnedBack { because: because("asked") });
    let rotation = folded(&journal);
    assert_eq!(plan(&rotation, 0), Next::Settle, "{rotation:?}");
}

#[test]
fn a_refused_value_is_not_sent_again() {
    let mut journal = vec![Recorded::Applying { attempt: 1 }, failed(1, FailureClass::Refused), Recorded::Settled];
    journal.push(saw(wrong(), Seen::Works));
    assert_eq!(plan(&folded(&journal), 0), Next::Prepare);
}

#[test]
fn a_refusal_alone_is_no_evidence_that_nothing_changed() {
    let rotation = folded(&[Recorded::Applying { attempt: 1 }, failed(1, FailureClass::Refused)]);
    assert_eq!(plan(&rotation, 0), Next::Settle);
}

#[test]
fn a_transient_failure_waits_for_its_time() {
    let mut failure = failed(1, FailureClass::Transient);
    if let Recorded::ApplyFailed { not_before, .. } = &mut failure {
        *not_before = 40;
    }
    let rotation = folded(&[Recorded::Applying { attempt: 1 }, failure]);
    assert_eq!(plan(&rotation, 39), Next::Wait { until: 40 });
    assert_eq!(plan(&rotation, 40), Next::Apply { attempt: 2 });
}

#[test]
fn a_rollback_is_heard_at_every_status_that_can_turn() {
    let asked = Recorded::RollbackRequested { because: because("asked") };
    let turn = Next::TurnBack { because: because("asked") };
    let applied = [Recorded::Applying { attempt: 1 }, Recorded::Applied { attempt: 1 }];
    let table = [
        (vec![asked.clone()], turn.clone()),
        ([&applied[..1], &[asked.clone()]].concat(), Next::TakeOver),
        ([&applied[..], &[asked.clone()]].concat(), turn.clone()),
        ([&interrupted(1)[..2], &[asked.clone()]].concat(), Next::Settle),
        ([&interrupted(1)[..], &[asked.clone()]].concat(), turn),
    ];
    for (journal, next) in table {
        assert_eq!(plan(&folded(&journal), 0), next, "{journal:?}");
    }
    let begun = fold(&[Recorded::Planned(planned(Some(0))), asked]).expect("a journal");
    assert_eq!(plan(&begun, 0), Next::EndUnwound { because: because("asked") });
}

#[test]
fn a_rotation_that_is_taken_over_before_its_publish_is_settled_and_probed_again() {
    let mut journal = vec![Recorded::Applying { attempt: 1 }, Recorded::Applied { attempt: 1 }];
    assert!(folded(&journal).was_interrupted());
    journal.push(Recorded::TakenOver { fence: 2 });
    assert_eq!(plan(&folded(&journal), 0), Next::Settle);
    journal.push(Recorded::Settled);
    assert_eq!(plan(&folded(&journal), 0), Next::Probe);
}
