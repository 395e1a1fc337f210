//! What is declared and found before anything is done.

use keywheel_contract::{CheckOutcome, Decision, FindingKind, Overlap, Probing, Revertible, Rotator};
use serde_json::json;

use super::world::{World, serial};

#[tokio::test]
async fn what_the_configuration_does_not_have_is_said_with_the_nearest_name() {
    let world = World::with(0).await;
    for (target, key, hint) in [
        (json!({ "install": "wbe/shop" }), "target.install", "`web`"),
        (json!({ "install": "elsewhere/shop" }), "target.install", "`[[install_root]]`"),
        (json!({ "install": "web/shop", "reload": "restart" }), "target.reload", "`[[hook]]`"),
        (json!({ "acme": { "challenge": "http-01" } }), "target.acme", "private authority"),
    ] {
        let failure = world.rotator.declare(&target, &world.settings).expect_err("refused");
        assert_eq!(failure.decision, Decision::Misconfigured { key: key.to_owned() }, "{target}");
        assert!(failure.hint.contains(hint), "{}", failure.hint);
        assert_eq!(world.rotator.address(&target).expect_err("refused"), failure);
    }
    // No edit of a target sends the admin's credential elsewhere.
    let other = json!({ "install": "web/other" });
    assert_eq!(world.rotator.address(&other), world.rotator.address(&world.target.settings));
}

#[tokio::test]
async fn certificates_overlap_are_probed_by_any_and_can_go_back() {
    let world = World::with(1).await;
    let declared = world.rotator.declare(&world.target.settings, &world.settings).expect("valid");
    assert_eq!((declared.overlap, declared.probing), (Overlap::Certificate, Probing::Any));
    assert_eq!((declared.revertible, declared.minting_ends_old), (Revertible::Yes, false));
    assert!(world.rotator.patience(&world.target.settings, &world.settings).is_some_and(|span| span.as_secs() >= 60));
    assert_eq!(world.rotator.patience(&json!({ "install": "web/shop" }), &world.settings), None);
}

#[tokio::test]
async fn a_value_tells_who_it_is_and_when_it_ends() {
    let world = World::with(0).await;
    let candidate = world.prepare(&world.work(None)).await.expect("prepared");
    assert_eq!(world.rotator.identity(&world.settings, &candidate).expect("a serial"), serial(&candidate));
    let ends = world.rotator.expires_at(&world.settings, &candidate).expect("an end");
    assert_eq!((ends - world.now).num_days(), 90);
    let empty = keywheel_contract::Material::of_texts([]);
    assert!(world.rotator.identity(&world.settings, &empty).is_err());
    let other = world.prepare(&world.work(None)).await.expect("prepared");
    let fields = ["certificate", "chain", "ca"].map(|field| (field, other.text(field).expect("there")));
    let key = candidate.text("private_key").expect("there");
    let mixed = keywheel_contract::Material::of_texts(fields.into_iter().chain([("private_key", key)]));
    assert_eq!(world.rotator.identity(&world.settings, &mixed).expect_err("refused").code, "gate-key-mismatch");
    let key_alone = keywheel_contract::Material::of_texts([("private_key", key)]);
    assert!(world.rotator.identity(&world.settings, &key_alone).is_err());
    assert_eq!(world.rotator.expires_at(&world.settings, &key_alone), None);
}

#[tokio::test]
async fn an_admin_that_is_no_authority_is_said() {
    let mut world = World::with(0).await;
    world.target.admins = vec![keywheel_contract::Material::of_texts([("password", "x")])];
    let failure = world.prepare(&world.work(None)).await.expect_err("refused");
    assert_eq!(failure.decision, Decision::Misconfigured { key: "target.admin".to_owned() });
    world.target.admins.clear();
    assert_eq!(world.prepare(&world.work(None)).await.expect_err("refused").code, "certificate-no-authority");
}

#[tokio::test]
async fn an_authority_that_ends_too_soon_is_found_by_preflight_and_prepare() {
    let mut world = World::with(0).await;
    world.settings["lifetime"] = json!("4000d");
    let work = world.work(None);
    let failure = world.prepare(&work).await.expect_err("refused");
    assert_eq!(failure.decision, Decision::Misconfigured { key: "secret.lifetime".to_owned() });
    let found = world.rotator.preflight(&world.cx(), &world.target, &work).await.expect("looked");
    assert!(found.findings.iter().any(|f| f.code == failure.code && f.kind == FindingKind::Blocks), "{found:?}");
}

#[tokio::test]
async fn preflight_leaves_nothing_and_tells_what_would_change() {
    let world = World::with(2).await;
    let work = world.work(None);
    let found = world.rotator.preflight(&world.cx(), &world.target, &work).await.expect("looked");
    assert!(found.checks.iter().all(|check| check.outcome == CheckOutcome::Passed), "{found:?}");
    assert!(found.findings.is_empty(), "{found:?}");
    assert!(found.changes.iter().any(|change| change.contains("shop.test")), "{found:?}");
    assert_eq!(std::fs::read_dir(world.root.path()).expect("listed").count(), 0);
    assert_eq!(world.hooks.runs("check") + world.hooks.runs("reload"), 0);
}

#[tokio::test]
async fn preflight_tells_of_endpoints_that_present_something_else() {
    let world = World::with(1).await;
    let first = world.rotate(None).await;
    let second = world.prepare(&world.work(None)).await.expect("prepared");
    for (current, differs) in [(&first, false), (&second, true)] {
        let work = world.work(Some(current));
        let found = world.rotator.preflight(&world.cx(), &world.target, &work).await.expect("looked");
        assert_eq!(found.findings.iter().any(|finding| finding.code == "endpoints-differ"), differs, "{found:?}");
    }
}
