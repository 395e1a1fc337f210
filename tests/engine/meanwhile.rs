//! What others write between two steps of a rotation is seen, although a step goes on with what it knows.

use std::time::Duration;

use keywheel::{
    engine::{
        Options,
        ops::schedules::{self, Pause, ScheduleView},
    },
    model::{Actor, OccurrenceEnd, SecretId},
    rotation::{Because, Recorded},
    store::occurrence,
};
use keywheel_contract::kit::{Fault, FaultRule, Operation, Strategy};
use serde_json::json;

use super::world::World;
use crate::support::wait::eventually;

const PATIENCE: Duration = Duration::from_secs(20);

fn options() -> Options {
    Options { longest_sleep: Duration::from_millis(200), probe_every: None, ..Options::default() }
}

/// A rotation that stands in an operation at the target until it is released.
async fn frozen(operation: Operation) -> (World, SecretId) {
    let mut world = World::new(options()).await;
    let id = world.adopt_on("app", Strategy::Alternate, Some(json!({ "every": "30d" }))).await;
    world.fake.inject(FaultRule::next(operation, Fault::Freeze));
    world.start();
    world.request(&id).await;
    let is_frozen = async || (world.fake.fired(operation, Fault::Freeze) == 1).then_some(());
    eventually(PATIENCE, "the target is asked", is_frozen).await.expect("in time");
    (world, id)
}

async fn pause(world: &World) -> ScheduleView {
    let paused = schedules::pause(&world.engine, &Actor::daemon(), "app", Pause::On, "a test".to_owned()).await;
    paused.expect("paused")
}

/// How the requests of a secret ended, oldest first.
async fn ends(world: &World, id: &SecretId) -> Vec<Option<OccurrenceEnd>> {
    let mut tx = world.engine.store.read().await.expect("a connection");
    let mut listed = occurrence::list(&mut tx, &world.tenant, id, 10).await.expect("readable");
    listed.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
    listed.into_iter().map(|one| one.end).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_before_the_publish_joins_it() {
    for operation in [Operation::Apply, Operation::Verify] {
        let (mut world, id) = frozen(operation).await;
        world.request(&id).await;
        world.fake.release("app");
        world.until_number(&id, 2).await;
        let joined = [Some(OccurrenceEnd::Done), Some(OccurrenceEnd::Coalesced)];
        assert_eq!(ends(&world, &id).await, joined, "{operation:?}");
        world.stop().await;
        assert_eq!(world.current(&id).await.number, Some(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_after_the_publish_gets_a_rotation_of_its_own() {
    let (mut world, id) = frozen(Operation::Retire).await;
    assert_eq!(world.current(&id).await.number, Some(2));
    world.request(&id).await;
    world.fake.release("app");
    world.until_number(&id, 3).await;
    assert_eq!(ends(&world, &id).await, [Some(OccurrenceEnd::Done); 2]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_at_any_moment_is_kept() {
    for operation in [Operation::Apply, Operation::Verify, Operation::Retire] {
        let (mut world, id) = frozen(operation).await;
        let paused = pause(&world).await;
        world.fake.release("app");
        world.until_number(&id, 2).await;
        let retired = async || world.event_kinds(&id).await.contains(&"version.retired".to_owned()).then_some(());
        eventually(PATIENCE, "the rotation is over", retired).await.expect("in time");
        world.stop().await;
        let shown = schedules::show(&world.engine, &Actor::daemon(), "app").await.expect("shown");
        assert!(shown.paused_at.is_some() && shown.revision >= paused.revision, "{operation:?}");
        assert_eq!(shown.next_due_at, paused.next_due_at, "{operation:?}: a paused plan stays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_before_the_publish_is_heard() {
    for operation in [Operation::Apply, Operation::Verify] {
        let (mut world, id) = frozen(operation).await;
        let because = Because::new("asked", "an operator asked for the way back", "nothing to do");
        world.tell_rotation(&id, &Recorded::RollbackRequested { because }).await;
        world.fake.release("app");
        world.until_status(&id, "unwound").await;
        world.stop().await;
        assert_eq!(world.current(&id).await.number, Some(1), "{operation:?}");
        assert!(world.served_logs_in("app", &id).await);
    }
}
