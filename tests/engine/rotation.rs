//! A rotation through the real engine and store, with a double as target.

use std::time::Duration;

use keywheel::{
    engine::Options,
    rotation::{Because, Recorded},
};
use keywheel_contract::{
    Refusal,
    kit::{Door, Fault, FaultRule, Operation, Strategy},
};

use super::world::World;

fn quick() -> Options {
    Options {
        step_deadline: Duration::from_secs(2),
        verify_for: Duration::from_secs(2),
        longest_sleep: Duration::from_millis(200),
        probe_every: None,
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requested_rotation_is_published_and_its_value_logs_in() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Single).await;
    world.start();
    world.request(&id).await;
    world.until_number(&id, 2).await;
    assert!(world.served_logs_in("app", &id).await);
    assert!(world.open_occurrences(&id).await.is_empty());
    world.stop().await;
    let kinds = world.event_kinds(&id).await;
    let expected = ["secret.adopted", "rotation.planned", "rotation.sealed", "rotation.applying", "rotation.applied"];
    assert_eq!(kinds[..5], expected);
    assert_eq!(kinds[5..7], ["rotation.verified", "rotation.published"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_before_is_retired_after_the_publish() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Alternate).await;
    world.start();
    world.request(&id).await;
    world.until_number(&id, 2).await;
    let retired = async || world.event_kinds(&id).await.contains(&"version.retired".to_owned()).then_some(());
    crate::support::wait::eventually(Duration::from_secs(10), "it is retired", retired).await.expect("in time");
    assert_eq!(world.fake.accepted("app").len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_out_by_probing() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Single).await;
    world.fake.inject(FaultRule::next(Operation::Apply, Fault::LoseReply));
    world.start();
    world.request(&id).await;
    world.until_number(&id, 2).await;
    assert_eq!(world.fake.fired(Operation::Apply, Fault::LoseReply), 1);
    assert!(world.served_logs_in("app", &id).await);
    assert!(world.event_kinds(&id).await.contains(&"rotation.probed".to_owned()));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_never_works_is_rolled_back_and_the_old_one_logs_in() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Single).await;
    world.fake.inject(FaultRule::next(Operation::Verify, Fault::NotYet).forever());
    world.start();
    world.request(&id).await;
    world.until_status(&id, "unwound").await;
    assert_eq!(world.current(&id).await.number, Some(1));
    assert!(world.served_logs_in("app", &id).await);
    let open = world.open_occurrences(&id).await;
    assert!(open.len() == 1 && open[0].not_before.is_some(), "it is tried again later: {open:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_value_is_replaced_by_another_one() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Single).await;
    world.fake.inject(FaultRule::next(Operation::Apply, Fault::Refuse));
    world.start();
    world.request(&id).await;
    world.until_number(&id, 2).await;
    let kinds = world.event_kinds(&id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "rotation.sealed").count(), 2, "{kinds:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_refusals_end_the_rotation_with_the_old_value_in_force() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Single).await;
    world.fake.inject(FaultRule::next(Operation::Apply, Fault::Refuse).forever());
    world.start();
    world.request(&id).await;
    world.until_status(&id, "unwound").await;
    assert_eq!(world.fake.calls_of_all(Operation::Apply), 5);
    assert!(world.served_logs_in("app", &id).await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barred_account_is_rolled_back() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Single).await;
    world.start();
    world.fake.set_door("app", Door::Shut(Refusal::Barred));
    world.request(&id).await;
    world.until_status(&id, "unwound").await;
    world.fake.set_door("app", Door::Guarded);
    assert!(world.served_logs_in("app", &id).await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_cut_off_goes_on_in_the_next_life() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Single).await;
    world.fake.inject(FaultRule::next(Operation::Apply, Fault::Freeze));
    world.start();
    world.request(&id).await;
    world.until_status(&id, "applying").await;
    world.crash_and_restart().await;
    world.until_number(&id, 2).await;
    assert!(world.served_logs_in("app", &id).await);
    let kinds = world.event_kinds(&id).await;
    assert!(kinds.contains(&"rotation.taken_over".to_owned()), "{kinds:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_change_of_an_earlier_holder_is_mended_though_probes_are_off() {
    let options = Options { claim: Duration::from_secs(1), ..quick() };
    let mut world = World::new(options).await;
    let id = world.adopt("app", Strategy::Single).await;
    world.fake.inject(FaultRule::next(Operation::Apply, Fault::Freeze));
    world.start();
    world.request(&id).await;
    world.until_status(&id, "applying").await;
    world.crash_and_restart().await;
    world.until_number(&id, 2).await;
    world.fake.enroll("app", Strategy::Single, "what-the-earlier-holder-sent");
    assert!(!world.served_logs_in("app", &id).await);
    world.until_number(&id, 3).await;
    assert!(world.served_logs_in("app", &id).await);
    assert!(world.event_kinds(&id).await.contains(&"secret.drifted".to_owned()));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_before_the_publish_are_one_rotation() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Single).await;
    for _ in 0..100 {
        world.request(&id).await;
    }
    world.start();
    world.until_number(&id, 2).await;
    assert!(world.open_occurrences(&id).await.is_empty());
    let kinds = world.event_kinds(&id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "rotation.planned").count(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_asked_for_during_the_verification_is_heard_before_the_publish() {
    let mut world = World::new(quick()).await;
    let id = world.adopt("app", Strategy::Single).await;
    world.fake.inject(FaultRule::next(Operation::Verify, Fault::Freeze));
    world.start();
    world.request(&id).await;
    let is_frozen = async || (world.fake.fired(Operation::Verify, Fault::Freeze) == 1).then_some(());
    crate::support::wait::eventually(Duration::from_secs(10), "it is verified", is_frozen).await.expect("in time");
    let because = Because::new("asked", "an operator asked for the way back", "nothing to do");
    world.tell_rotation(&id, &Recorded::RollbackRequested { because }).await;
    world.fake.release("app");
    world.until_status(&id, "unwound").await;
    assert_eq!(world.current(&id).await.number, Some(1));
    assert!(world.served_logs_in("app", &id).await);
    assert!(world.open_occurrences(&id).await.is_empty(), "what was called back is not tried again");
    world.stop().await;
}
