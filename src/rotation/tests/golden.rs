//! Stored events of the first format stay readable and are written as they were.

use serde_json::{Value, json};

use super::samples::events;
use crate::rotation::{Recorded, WireError};

macro_rules! golden {
    ($($kind:literal),* $(,)?) => {
        const FILES: &[(&str, &str)] =
            &[$(($kind, include_str!(concat!("../../../tests/golden/rotation/", $kind, ".json")))),*];
    };
}

golden!(
    "planned",
    "sealed",
    "applying",
    "applied",
    "apply_failed",
    "taken_over",
    "settled",
    "probed",
    "verified",
    "verify_failed",
    "rollback_requested",
    "turned_back",
    "reverting",
    "reverted",
    "revert_failed",
    "published",
    "unwound",
    "stuck",
    "retried",
    "resolved",
);

/// The place of an event's file. A new kind does not compile until it has one.
fn place_of(event: &Recorded) -> usize {
    match event {
        Recorded::Planned(_) => 0,
        Recorded::Sealed { .. } => 1,
        Recorded::Applying { .. } => 2,
        Recorded::Applied { .. } => 3,
        Recorded::ApplyFailed { .. } => 4,
        Recorded::TakenOver { .. } => 5,
        Recorded::Settled => 6,
        Recorded::Probed { .. } => 7,
        Recorded::Verified { .. } => 8,
        Recorded::VerifyFailed { .. } => 9,
        Recorded::RollbackRequested { .. } => 10,
        Recorded::TurnedBack { .. } => 11,
        Recorded::Reverting { .. } => 12,
        Recorded::Reverted => 13,
        Recorded::RevertFailed { .. } => 14,
        Recorded::Published { .. } => 15,
        Recorded::Unwound { .. } => 16,
        Recorded::Stuck { .. } => 17,
        Recorded::Retried => 18,
        Recorded::Resolved { .. } => 19,
    }
}

/// The stored events of a file: kind and facts.
fn stored(text: &str) -> Vec<(String, Value)> {
    let file: Vec<Value> = serde_json::from_str(text).expect("a list of events");
    let text = |event: &Value| event["kind"].as_str().expect("a kind").to_owned();
    file.iter().map(|event| (text(event), event["facts"].clone())).collect()
}

#[test]
fn a_stored_event_of_each_kind_is_read_and_written_as_it_was() {
    for (kind, text) in FILES {
        let stored = stored(text);
        assert!(!stored.is_empty(), "{kind} has no event");
        for (word, facts) in stored {
            let event = Recorded::from_wire(&word, &facts).unwrap_or_else(|error| panic!("{kind}: {error:?}"));
            assert_eq!(event.kind(), *kind);
            assert_eq!(FILES[place_of(&event)].0, *kind);
            assert_eq!(event.to_wire(), (word, facts));
        }
    }
}

#[test]
fn the_golden_files_hold_every_event_of_the_samples() {
    for event in events() {
        let (kind, text) = FILES[place_of(&event)];
        let (word, facts) = event.to_wire();
        assert!(stored(text).contains(&(word.clone(), facts.clone())), "{kind} lacks {word} {facts}");
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let read = |kind: &str, facts: Value| Recorded::from_wire(kind, &facts);
    assert!(matches!(read("secret.created", json!({ "v": 1 })), Err(WireError::Kind(_))));
    assert!(matches!(read("rotation.settled", json!({ "v": 2, "facts": {} })), Err(WireError::Newer { found: 2, .. })));
    assert!(matches!(read("rotation.applied", json!({ "v": 1, "facts": {} })), Err(WireError::Facts { .. })));
    assert!(matches!(read("rotation.no_such", json!({ "v": 1, "facts": {} })), Err(WireError::Facts { .. })));
}
