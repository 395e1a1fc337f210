//! The transition function is total, and says what may follow what.

use super::samples::{events, rotations, statuses};
use crate::rotation::{FoldError, Next, Recorded, Status, fold, plan, transition};

#[test]
fn every_event_follows_every_status_or_is_refused_and_nothing_panics() {
    let (mut followed, mut refused) = (0, 0);
    for status in statuses() {
        for rotation in rotations(&status) {
            for event in events() {
                match transition(rotation.clone(), &event) {
                    Ok(_) => followed += 1,
                    Err(error) => {
                        let (status, event) = (status.word(), event.kind());
                        assert_eq!(error, FoldError::CannotFollow { status, event });
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(followed > 10_000 && refused > 50_000, "{followed} followed, {refused} were refused");
}

#[test]
fn nothing_follows_an_end() {
    for status in statuses().into_iter().filter(Status::is_final) {
        for rotation in rotations(&status) {
            assert_eq!(plan(&rotation, 0), Next::Nothing, "{status:?}");
            for event in events() {
                assert!(transition(rotation.clone(), &event).is_err(), "{} follows {status:?}", event.kind());
            }
        }
    }
}

/// What may follow each status, by the words of the journal.
const FOLLOWS: [(&str, &[&str]); 13] = [
    ("planned", &["sealed", "rollback_requested", "unwound"]),
    ("sealed", &["sealed", "applying", "rollback_requested", "turned_back", "stuck"]),
    ("applying", &["applied", "apply_failed", "taken_over", "rollback_requested"]),
    ("unknown", &["settled", "probed", "rollback_requested", "turned_back", "stuck"]),
    ("applied", &["taken_over", "verified", "verify_failed", "rollback_requested", "turned_back"]),
    ("verified", &["taken_over", "rollback_requested", "turned_back", "published"]),
    ("unwinding", &["settled", "rollback_requested", "reverting", "stuck"]),
    ("reverting", &["taken_over", "rollback_requested", "reverted", "revert_failed"]),
    ("reverted", &["rollback_requested", "unwound"]),
    ("stuck", &["rollback_requested", "retried", "resolved"]),
    ("published", &[]),
    ("unwound", &[]),
    ("resolved", &[]),
];

#[test]
fn what_may_follow_each_status_is_this_table() {
    for (word, expected) in FOLLOWS {
        let mut found: Vec<&str> = Vec::new();
        for status in statuses().into_iter().filter(|status| status.word() == word) {
            for rotation in rotations(&status) {
                found.extend(events().iter().filter(|e| transition(rotation.clone(), e).is_ok()).map(Recorded::kind));
            }
        }
        let in_order: Vec<&str> = kinds().into_iter().filter(|kind| found.contains(kind)).collect();
        let mut expected = expected.to_vec();
        expected.sort_by_key(|kind| kinds().iter().position(|known| known == kind));
        assert_eq!(in_order, expected, "{word}");
    }
}

fn kinds() -> Vec<&'static str> {
    let mut kinds: Vec<&str> = events().iter().map(Recorded::kind).collect();
    kinds.dedup();
    kinds
}

#[test]
fn evidence_and_the_way_back_ask_for_a_settled_target() {
    for rotation in statuses().iter().flat_map(rotations) {
        let unsettled =
            matches!(rotation.status, Status::Unknown { settled: false } | Status::Unwinding { settled: false, .. });
        if unsettled {
            let next = plan(&rotation, i64::MAX);
            assert_eq!(next, Next::Settle, "{rotation:?}");
            for event in events().iter().filter(|event| matches!(event.kind(), "probed" | "reverting")) {
                assert!(transition(rotation.clone(), event).is_err(), "{} counts unsettled", event.kind());
            }
        }
    }
}

#[test]
fn a_journal_without_its_beginning_is_refused() {
    assert_eq!(fold(&[]), Err(FoldError::NoBeginning));
    assert_eq!(fold(&events()[1..]), Err(FoldError::NoBeginning));
}

#[test]
fn whatever_is_planned_can_be_recorded() {
    for rotation in statuses().iter().flat_map(rotations) {
        let next = plan(&rotation, i64::MAX);
        let answers: &[&str] = match next {
            Next::TakeOver => &["taken_over"],
            Next::Prepare => &["sealed"],
            Next::Apply { .. } => &["applying"],
            Next::Settle => &["settled"],
            Next::Probe => &["probed"],
            Next::Verify => &["verified", "verify_failed"],
            Next::Publish => &["published"],
            Next::TurnBack { .. } => &["turned_back"],
            Next::Revert { .. } => &["reverting", "stuck"],
            Next::EndUnwound { .. } => &["unwound"],
            Next::Wait { .. } | Next::Nothing => &[],
        };
        for event in events().iter().filter(|event| answers.contains(&event.kind())) {
            assert!(transition(rotation.clone(), event).is_ok(), "{next:?} cannot be recorded: {rotation:?}");
        }
    }
}
