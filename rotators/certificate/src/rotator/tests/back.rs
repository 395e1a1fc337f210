//! The way back, and failures that go back by themselves.

use std::time::Duration;

use keywheel_contract::{Decision, Material, Refusal, Seen, Verdict, Work};

use super::{
    hooks::Act,
    listener::Manner,
    world::{World, serial},
};

const WRONG: Seen = Seen::Refused { refusal: Refusal::WrongCredential };
const TRANSIENT: Decision = Decision::Transient { not_before: None };

/// A world in which the first version is in use, and a second rotation has begun.
async fn begun(world: &World) -> (Material, Work, Material) {
    let first = world.rotate(None).await;
    let work = world.work(Some(&first));
    let second = world.prepare(&work).await.expect("prepared");
    (first, work, second)
}

async fn expect_as_before(world: &World, first: &Material, work: &Work, second: &Material) {
    assert_eq!(world.link(), Some(serial(first)));
    assert_eq!((world.probe(work, second).await, world.probe(work, first).await), (WRONG, Seen::Works));
}

#[tokio::test]
async fn a_revert_brings_the_version_before_back_everywhere_and_may_be_repeated() {
    let world = World::with(3).await;
    let (first, work, second) = begun(&world).await;
    world.apply(&work, &second).await.expect("applied");
    for _ in 0..2 {
        world.revert(&work, &second).await.expect("reverted");
        expect_as_before(&world, &first, &work, &second).await;
        assert_eq!(world.versions(), [serial(&first)]);
    }
}

#[tokio::test]
async fn a_revert_without_apply_does_nothing() {
    let world = World::with(2).await;
    let (first, work, second) = begun(&world).await;
    let before = world.hooks.runs("reload");
    world.revert(&work, &second).await.expect("nothing to do");
    assert_eq!(world.hooks.runs("reload"), before);
    expect_as_before(&world, &first, &work, &second).await;
}

#[tokio::test]
async fn a_folder_that_is_gone_is_written_again_from_the_version() {
    let world = World::with(1).await;
    let (first, work, second) = begun(&world).await;
    world.apply(&work, &second).await.expect("applied");
    std::fs::remove_dir_all(world.path("versions").join(serial(&first))).expect("removed");
    world.revert(&work, &second).await.expect("reverted");
    expect_as_before(&world, &first, &work, &second).await;
}

#[tokio::test]
async fn without_a_version_before_all_is_taken_away() {
    let world = World::with(1).await;
    let work = world.work(None);
    let candidate = world.applied(&work).await;
    for _ in 0..2 {
        world.revert(&work, &candidate).await.expect("reverted");
        assert_eq!((world.link(), world.versions()), (None, Vec::new()));
    }
}

#[tokio::test]
async fn a_version_that_has_ended_is_no_way_back() {
    let mut world = World::with(1).await;
    let (first, work, _) = begun(&world).await;
    world.now += Duration::from_hours(91 * 24);
    let second = world.prepare(&work).await.expect("prepared");
    world.revert(&work, &second).await.expect("nothing was applied, so nothing goes back");
    world.apply(&work, &second).await.expect("applied");
    let failure = world.revert(&work, &second).await.expect_err("refused");
    assert_eq!((failure.decision, failure.code), (Decision::Refused, "expired-before"));
    assert_eq!(world.link(), Some(serial(&second)));
    assert_eq!((world.probe(&work, &second).await, world.probe(&work, &first).await), (Seen::Works, WRONG));
}

#[tokio::test]
async fn a_revert_is_not_done_while_somebody_presents_the_candidate_or_is_silent() {
    let world = World::with(2).await;
    let (first, work, second) = begun(&world).await;
    world.apply(&work, &second).await.expect("applied");
    world.services[1].set(Manner::Never);
    let failure = world.revert(&work, &second).await.expect_err("not back");
    assert_eq!((failure.decision, failure.code), (TRANSIENT, "certificate-not-back"));
    assert!(failure.sentence.contains("1 of 2"), "{}", failure.sentence);
    world.services[1].freeze(true);
    let mut cx = world.cx();
    cx.deadline = Duration::from_millis(500);
    let silent = keywheel_contract::Rotator::revert(&world.rotator, &cx, &world.target, &work, &second).await;
    assert_eq!(silent.expect_err("not seen").code, "certificate-not-seen");
    world.services[1].freeze(false);
    world.services[1].set(Manner::WhenTold);
    world.revert(&work, &second).await.expect("reverted");
    expect_as_before(&world, &first, &work, &second).await;
}

#[tokio::test]
async fn a_failed_check_puts_the_link_back_before_anybody_is_told() {
    let world = World::with(2).await;
    let (first, work, second) = begun(&world).await;
    let before = world.hooks.runs("reload");
    world.hooks.next("check", Act::Fail);
    let failure = world.apply(&work, &second).await.expect_err("failed");
    assert_eq!((failure.decision, failure.code), (TRANSIENT, "certificate-check-failed"));
    assert_eq!(world.hooks.runs("reload"), before);
    expect_as_before(&world, &first, &work, &second).await;
    world.apply(&work, &second).await.expect("the same candidate, again");
    assert!(matches!(world.verify(&work, &second).await, Verdict::Works { .. }));
}

#[tokio::test]
async fn a_failed_check_of_the_first_version_leaves_no_link() {
    let world = World::with(1).await;
    let work = world.work(None);
    let candidate = world.prepare(&work).await.expect("prepared");
    world.hooks.next("check", Act::Fail);
    assert_eq!(world.apply(&work, &candidate).await.expect_err("failed").decision, TRANSIENT);
    assert_eq!((world.link(), world.versions()), (None, Vec::new()));
}

#[tokio::test]
async fn a_failed_reload_is_taken_back_and_may_be_tried_again() {
    for act in [Act::Fail, Act::ReloadAndFail] {
        let world = World::with(3).await;
        let (first, work, second) = begun(&world).await;
        world.hooks.next("reload", act);
        let failure = world.apply(&work, &second).await.expect_err("failed");
        assert_eq!((failure.decision, failure.code), (TRANSIENT, "certificate-reload-failed"));
        expect_as_before(&world, &first, &work, &second).await;
        world.apply(&work, &second).await.expect("the same candidate, again");
        assert!(matches!(world.verify(&work, &second).await, Verdict::Works { .. }));
    }
}

#[tokio::test]
async fn a_reload_that_took_the_candidate_and_does_not_give_it_back_is_unknown() {
    let world = World::with(1).await;
    let (first, work, second) = begun(&world).await;
    world.hooks.next("reload", Act::ReloadAndFail);
    world.hooks.next("reload", Act::Fail);
    let failure = world.apply(&work, &second).await.expect_err("failed");
    assert_eq!((failure.decision, failure.code), (Decision::Unknown, "certificate-not-put-back"));
    assert_eq!(world.link(), Some(serial(&first)));
    // The engine looks, finds neither in force whole, and applies again.
    assert_eq!((world.probe(&work, &second).await, world.probe(&work, &first).await), (WRONG, WRONG));
    world.apply(&work, &second).await.expect("applied");
    assert!(matches!(world.verify(&work, &second).await, Verdict::Works { .. }));
}
