//! An account that changes its own password.

use keywheel_contract::{Decision, FindingKind, Rotator, Target, Work};
use serde_json::json;

use super::world::{World, codes, text, unique, value};

fn own(world: &World, role: &str) -> (Target, Work) {
    let (mut target, mut work) = (world.target(), world.single(role, "first-password"));
    target.admins = vec![value(role, "first-password")];
    work.settings["self_managed"] = json!(true);
    (target, work)
}

#[tokio::test]
async fn an_account_without_any_right_changes_its_own_password() {
    let world = World::new();
    let role = unique("app");
    let (target, work) = own(&world, &role);
    let seen = world.preflight(&target, &work).await;
    assert_eq!(codes(&seen, FindingKind::Blocks), Vec::<&str>::new(), "{seen:#?}");
    let asked = codes(&seen, FindingKind::NeedsAcknowledgement);
    assert_eq!(asked, ["no-overlap", "self-managed-no-second-admin"]);
    let new = world.rotate(&target, &work).await;
    assert!(world.accepts(&new) && !world.accepts(&value(&role, "first-password")));
}

#[tokio::test]
async fn its_end_is_not_its_own_to_change() {
    let world = World::new();
    let role = unique("app");
    let (target, mut work) = own(&world, &role);
    work.settings["valid_until"] = json!("infinity");
    let seen = world.preflight(&target, &work).await;
    assert_eq!(codes(&seen, FindingKind::Blocks), ["permission-denied"]);
    let candidate = world.prepare(&target, &work).await;
    let failure = world.rotator.apply(&world.cx(), &target, &work, &candidate).await.expect_err("not permitted");
    assert_eq!(failure.code, "postgres-permission-denied");
    assert!(world.accepts(&value(&role, "first-password")));
}

#[tokio::test]
async fn a_new_password_that_a_second_session_cannot_use_is_taken_back_on_the_first() {
    let world = World::new();
    let role = unique("app");
    let (target, mut work) = own(&world, &role);
    // pg_hba.conf asks for SCRAM, so what is stored as md5 is refused.
    work.settings["password_form"] = json!("md5");
    let candidate = world.prepare(&target, &work).await;
    let failure = world.rotator.apply(&world.cx(), &target, &work, &candidate).await.expect_err("refused");
    assert_eq!((failure.code, failure.decision), ("postgres-new-password-refused", Decision::Refused));
    assert!(world.server.log().contains(&format!("ALTER ROLE \"{role}\" PASSWORD 'md5")), "it was tried");
    assert!(world.accepts(&value(&role, "first-password")) && !world.accepts(&candidate));
}

#[tokio::test]
async fn during_its_own_rotation_it_is_reached_by_whichever_password_works() {
    let world = World::new();
    let role = unique("app");
    let (mut target, work) = own(&world, &role);
    let new = world.rotate(&target, &work).await;
    target.admins = vec![value(&role, "first-password"), new.clone()];
    world.rotator.apply(&world.cx(), &target, &work, &new).await.expect("applied twice");
    world.rotator.revert(&world.cx(), &target, &work, &new).await.expect("reverted");
    assert!(world.accepts(&value(&role, "first-password")));
    assert!(!world.server.log().contains(text(&new, "password")));
}
