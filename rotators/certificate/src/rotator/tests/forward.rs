//! Rotations that go forward, some of them late.

use std::time::Duration;

use keywheel_contract::{Decision, Refusal, Rotator, Seen, Settled, Verdict};

use super::{
    hooks::Act,
    listener::Manner,
    world::{World, serial},
};

const WRONG: Seen = Seen::Refused { refusal: Refusal::WrongCredential };

fn because(verdict: Verdict) -> String {
    match verdict {
        Verdict::NotYet { because, .. } => because,
        Verdict::Works { .. } => panic!("it works"),
    }
}

#[tokio::test]
async fn a_rotation_brings_the_new_certificate_to_every_endpoint_and_retires_the_old_one() {
    let world = World::with(3).await;
    let first = world.rotate(None).await;
    assert_eq!(world.link(), Some(serial(&first)));
    let work = world.work(Some(&first));
    let second = world.prepare(&work).await.expect("prepared");
    assert_eq!((world.probe(&work, &second).await, world.probe(&work, &first).await), (WRONG, Seen::Works));
    world.apply(&work, &second).await.expect("applied");
    let Verdict::Works { endpoints } = world.verify(&work, &second).await else { panic!("it does not work") };
    assert_eq!(endpoints.len(), 3);
    assert_eq!((world.probe(&work, &second).await, world.probe(&work, &first).await), (Seen::Works, WRONG));
    for _ in 0..2 {
        world.rotator.retire(&world.cx(), &world.target, &work, &first, &second).await.expect("retired");
        assert_eq!(world.versions(), [serial(&second)]);
    }
    assert_eq!(world.hooks.runs("check"), 2);
}

#[tokio::test]
async fn the_files_are_what_servers_read() {
    let world = World::with(1).await;
    let first = world.rotate(None).await;
    let read = |name: &str| std::fs::read_to_string(world.path("current").join(name)).expect("there");
    let (key, leaf, chain) = (read("key.pem"), read("cert.pem"), read("chain.pem"));
    assert_eq!(read("fullchain.pem"), format!("{leaf}{chain}"));
    assert_eq!(read("combined.pem"), format!("{key}{leaf}{chain}"));
    assert_eq!(Some(leaf.trim()), first.text("certificate").map(str::trim));
    assert!(chain.contains("BEGIN CERTIFICATE") && key.contains("BEGIN PRIVATE KEY"));
}

#[tokio::test]
async fn a_version_in_use_is_not_retired() {
    let world = World::with(0).await;
    let first = world.rotate(None).await;
    let work = world.work(Some(&first));
    let second = world.prepare(&work).await.expect("prepared");
    for live in [&first, &second] {
        let failure = world.rotator.retire(&world.cx(), &world.target, &work, &first, live).await;
        assert_eq!(failure.expect_err("refused").decision, Decision::Refused);
    }
    assert_eq!(world.link(), Some(serial(&first)));
}

#[tokio::test]
async fn one_of_three_that_does_not_reload_is_named_and_asked_again() {
    let mut world = World::with(2).await;
    world.add(Manner::Never).await;
    let work = world.work(None);
    let candidate = world.applied(&work).await;
    let told = because(world.verify(&work, &candidate).await);
    let stuck = world.services[2].address();
    assert!(told.starts_with("2 of 3 new") && told.contains(&format!("{stuck}: presents another")), "{told}");
    assert_eq!(world.hooks.runs("reload"), 1, "a moment is given first");
    let told = because(world.verify(&work, &candidate).await);
    assert!(told.ends_with("asked to reload again"), "{told}");
    assert_eq!(world.hooks.runs("reload"), 2);
    world.services[2].set(Manner::Always);
    assert!(matches!(world.verify(&work, &candidate).await, Verdict::Works { .. }));
}

#[tokio::test]
async fn a_server_that_reloads_the_second_time_is_waited_for() {
    let mut world = World::bare(None);
    world.add(Manner::WhenToldAgain).await;
    let work = world.work(None);
    let candidate = world.applied(&work).await;
    because(world.verify(&work, &candidate).await);
    because(world.verify(&work, &candidate).await);
    assert!(matches!(world.verify(&work, &candidate).await, Verdict::Works { .. }));
}

#[tokio::test]
async fn an_endpoint_that_is_silent_is_neither_old_nor_new() {
    let world = World::with(2).await;
    let first = world.rotate(None).await;
    let work = world.work(Some(&first));
    let second = world.applied(&work).await;
    world.services[1].freeze(true);
    let mut cx = world.cx();
    cx.deadline = Duration::from_millis(600);
    let verdict = world.rotator.verify(&cx, &world.target, &work, &second).await.expect("a verdict");
    assert!(because(verdict).starts_with("1 of 2 new"));
    let seen = world.rotator.probe(&cx, &world.target, &work, &second).await.expect("looked");
    assert!(matches!(keywheel_contract::verdict_of(&seen), Seen::Unreachable { .. }), "{seen:?}");
    assert!(world.services[1].frozen() > 0);
    world.services[1].freeze(false);
    assert!(matches!(world.verify(&work, &second).await, Verdict::Works { .. }));
}

#[tokio::test]
async fn a_chain_that_is_not_presented_is_not_good_enough() {
    let world = World::with(1).await;
    let first = world.rotate(None).await;
    let fields = first.expose().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let doubled = keywheel_contract::Material::new(fields);
    let chain = format!("{0}{0}", doubled.text("chain").expect("a chain"));
    let texts = doubled.expose().iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let longer = texts.map(|(name, text)| (name, if name == "chain" { chain.as_str() } else { text }));
    let longer = keywheel_contract::Material::of_texts(longer);
    let work = world.work(None);
    assert!(because(world.verify(&work, &longer).await).contains("without its chain"));
    assert_eq!(world.probe(&work, &longer).await, Seen::Works, "its leaf is the one");
}

#[tokio::test]
async fn an_apply_that_was_given_up_in_the_middle_goes_on_at_the_next() {
    let world = World::with(2).await;
    let first = world.rotate(None).await;
    for hook in ["check", "reload"] {
        let work = world.work(Some(&first));
        let second = world.prepare(&work).await.expect("prepared");
        world.hooks.next(hook, Act::Hang);
        let given_up = tokio::time::timeout(Duration::from_millis(300), world.apply(&work, &second)).await;
        assert!(given_up.is_err() && world.hooks.hung() > 0);
        let settled = world.rotator.settle(&world.cx(), &world.target, &work).await.expect("an answer");
        assert_eq!(settled, Settled::Yes);
        // Neither is in force whole: the link leads to the one, the service presents the other.
        assert_eq!((world.probe(&work, &second).await, world.probe(&work, &first).await), (WRONG, WRONG));
        world.apply(&work, &second).await.expect("applied");
        assert!(matches!(world.verify(&work, &second).await, Verdict::Works { .. }));
        world.revert(&work, &second).await.expect("back for the next round");
    }
}

#[tokio::test]
async fn without_probes_the_link_decides_and_without_a_place_the_certificate_itself() {
    let mut world = World::with(0).await;
    let first = world.rotate(None).await;
    let work = world.work(Some(&first));
    let second = world.prepare(&work).await.expect("prepared");
    assert_eq!((world.probe(&work, &second).await, world.probe(&work, &first).await), (WRONG, Seen::Works));
    world.target.settings = serde_json::json!({});
    world.apply(&work, &second).await.expect("applied");
    assert_eq!((world.probe(&work, &second).await, world.link()), (Seen::Works, Some(serial(&first))));
    assert!(matches!(world.verify(&work, &second).await, Verdict::Works { .. }));
    world.now += Duration::from_hours(91 * 24);
    assert_eq!(world.probe(&work, &second).await, Seen::Refused { refusal: Refusal::Expired });
}

#[tokio::test]
async fn a_certificate_for_other_names_does_not_pass_the_gate() {
    let world = World::with(1).await;
    let mut work = world.work(None);
    let candidate = world.prepare(&work).await.expect("prepared");
    work.settings["names"] = serde_json::json!(["other.test"]);
    let failure = world.apply(&work, &candidate).await.expect_err("refused");
    assert_eq!((failure.decision, failure.code), (Decision::Refused, "gate-names-differ"));
    assert_eq!(world.link(), None);
}

#[tokio::test]
async fn a_link_that_somebody_else_made_is_left_alone() {
    let world = World::with(0).await;
    std::fs::create_dir_all(world.path("live")).expect("made");
    std::os::unix::fs::symlink("live", world.path("current")).expect("linked");
    let work = world.work(None);
    let candidate = world.prepare(&work).await.expect("prepared");
    let failure = world.apply(&work, &candidate).await.expect_err("refused");
    assert_eq!(failure.code, "install-place-taken");
    assert_eq!(std::fs::read_link(world.path("current")).expect("there").to_str(), Some("live"));
    world.revert(&work, &candidate).await.expect("nothing to do");
    assert_eq!(std::fs::read_link(world.path("current")).expect("there").to_str(), Some("live"));
}

#[tokio::test]
async fn without_probes_a_service_that_may_not_have_been_told_is_told() {
    let world = World::with(0).await;
    let work = world.work(None);
    let candidate = world.prepare(&work).await.expect("prepared");
    world.hooks.next("reload", Act::Hang);
    let given_up = tokio::time::timeout(Duration::from_millis(200), world.apply(&work, &candidate)).await;
    assert!(given_up.is_err());
    // By the link alone it is in force, and the engine goes forward.
    assert_eq!(world.probe(&work, &candidate).await, Seen::Works);
    world.hooks.next("check", Act::Fail);
    assert!(because(world.verify(&work, &candidate).await).contains("`check` failed"));
    assert!(matches!(world.verify(&work, &candidate).await, Verdict::Works { .. }));
    let runs = world.hooks.runs("reload");
    assert!(matches!(world.verify(&work, &candidate).await, Verdict::Works { .. }));
    assert_eq!((runs, world.hooks.runs("reload")), (2, 2));
}

#[tokio::test]
async fn a_certificate_that_was_brought_by_hand_is_known_by_what_is_presented() {
    let world = World::with(1).await;
    let first = world.rotate(None).await;
    // As if the service had its files from elsewhere.
    std::fs::remove_file(world.path("current")).expect("removed");
    let work = world.work(Some(&first));
    let second = world.prepare(&work).await.expect("prepared");
    assert_eq!((world.probe(&work, &second).await, world.probe(&work, &first).await), (WRONG, Seen::Works));
    world.apply(&work, &second).await.expect("applied");
    world.revert(&work, &second).await.expect("reverted");
    assert_eq!(world.link(), Some(serial(&first)));
}
