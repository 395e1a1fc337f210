//! Events: numbered without a gap, read back in order, named by whom they tell of.

use std::sync::Arc;

use keywheel::store::{NewEvent, StoreError, agenda, event};
use keywheel_contract::RotationId;

use super::world::{World, mint, on_both_engines};

on_both_engines!(
    events_of_a_subject_are_numbered_without_a_gap_while_many_write,
    the_same_holds_for_a_subject_that_has_no_agenda_row,
    a_journal_is_read_in_order_and_without_the_events_of_others,
    events_are_read_after_a_cursor,
    an_altered_event_is_refused,
);

async fn append_at_once(world: &Arc<World>, subject: &'static str) {
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let world = Arc::clone(world);
        writers.spawn(async move {
            for _ in 0..10 {
                let (keyring, event) = (world.keyring.clone(), world.event(subject, "a.b", vec![]));
                let appended = world.write(move |tx| {
                    Box::pin(async move {
                        agenda::lock(tx, subject).await?;
                        event::append(tx, &keyring, event).await
                    })
                });
                appended.await.expect("appended");
            }
        });
    }
    writers.join_all().await;
    let mut tx = world.read().await;
    let events = event::list_of_subject(&mut tx, &world.keyring, &world.tenant, subject, 1000).await.expect("read");
    let seqs: Vec<i64> = events.iter().rev().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=80).collect::<Vec<_>>());
}

async fn events_of_a_subject_are_numbered_without_a_gap_while_many_write(world: World) {
    let world = Arc::new(world);
    let tenant = world.tenant.clone();
    let put = world.write(move |tx| Box::pin(async move { agenda::insert(tx, "s", &tenant, "", None).await }));
    put.await.expect("put");
    append_at_once(&world, "s").await;
}

async fn the_same_holds_for_a_subject_that_has_no_agenda_row(world: World) {
    append_at_once(&Arc::new(world), "nobody").await;
}

async fn append(world: &World, event: NewEvent) -> i64 {
    let keyring = world.keyring.clone();
    let appended = world.write(move |tx| Box::pin(async move { event::append(tx, &keyring, event).await }));
    appended.await.expect("appended")
}

async fn a_journal_is_read_in_order_and_without_the_events_of_others(world: World) {
    let (mine, other) = (mint(RotationId::mint), mint(RotationId::mint));
    for (n, rotation) in [Some(&mine), None, Some(&other), Some(&mine)].into_iter().enumerate() {
        let event = world.event("s", &format!("k.{n}"), vec![]);
        append(&world, NewEvent { rotation: rotation.cloned(), ..event }).await;
    }
    let mut tx = world.read().await;
    let journal = event::list_journal(&mut tx, &world.keyring, &world.tenant, &mine).await.expect("read");
    assert_eq!(
        journal.iter().map(|event| (event.seq, event.kind.as_str())).collect::<Vec<_>>(),
        [(1, "k.0"), (4, "k.3")]
    );
    assert_eq!(journal[0].facts, serde_json::json!({ "v": 1, "name": "s" }));
    assert_eq!((journal[0].reason.as_str(), journal[0].actor.as_str()), ("because", "keywheel"));
}

async fn events_are_read_after_a_cursor(world: World) {
    for n in 0..7 {
        append(&world, world.event(&format!("s{n}"), "a.b", vec![])).await;
    }
    let mut tx = world.read().await;
    let all = event::list_after(&mut tx, &world.keyring, &world.tenant, "", 100).await.expect("read");
    let rest = event::list_after(&mut tx, &world.keyring, &world.tenant, all[3].id.as_str(), 2).await.expect("read");
    assert_eq!(rest, all[4..6]);
    let newest = event::list_newest(&mut tx, &world.keyring, &world.tenant, 3).await.expect("read");
    assert_eq!(newest.iter().rev().collect::<Vec<_>>(), all[4..].iter().collect::<Vec<_>>());
}

async fn an_altered_event_is_refused(world: World) {
    append(&world, world.event("s", "a.b", vec![])).await;
    world.sql("UPDATE event SET actor = 'somebody else'").await;
    let mut tx = world.read().await;
    let altered = event::list_of_subject(&mut tx, &world.keyring, &world.tenant, "s", 9).await;
    assert!(matches!(altered, Err(StoreError::Tampered { table: "event", .. })), "{altered:?}");
}
