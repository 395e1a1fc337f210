//! A server that takes no changes and may know an older password: a standby after a fail-over.

use std::sync::LazyLock;

use keywheel_contract::{Decision, FindingKind, Rotator, Verdict};
use serde_json::json;

use super::world::{World, codes, value};
use crate::support::postgres::{ADMIN_PASSWORD, PostgresServer};

/// A standby must allow as many connections as initdb's server did.
static STANDBY: LazyLock<PostgresServer> =
    LazyLock::new(|| PostgresServer::builder().line("max_connections = 100").file("standby.signal", b"").start());

#[tokio::test]
async fn a_login_at_a_standby_is_not_yet_a_verification() {
    let world = World::at(&STANDBY);
    let live = value("postgres", ADMIN_PASSWORD);
    let work = world.work(json!({ "strategy": "single", "role": "postgres" }), Some(live.clone()));
    let verdict = world.rotator.verify(&world.cx(), &world.target(), &work, &live).await.expect("an answer");
    assert!(matches!(&verdict, Verdict::NotYet { because, .. } if because.contains("standby")), "{verdict:?}");
    // As a follower it is welcome to be one.
    let main = World::new();
    let mut settings = main.target().settings;
    settings["hosts"] = json!([{ "host": "127.0.0.1", "port": STANDBY.port() }]);
    let target = main.target_with(settings);
    let verdict = world.rotator.verify(&world.cx(), &target, &work, &live).await.expect("an answer");
    assert!(matches!(&verdict, Verdict::Works { endpoints } if endpoints.len() == 2), "{verdict:?}");
}

#[tokio::test]
async fn a_change_at_a_standby_is_refused_before_it_is_sent() {
    let world = World::at(&STANDBY);
    let live = value("postgres", ADMIN_PASSWORD);
    let work = world.work(json!({ "strategy": "single", "role": "postgres" }), Some(live));
    let candidate = world.prepare(&world.target(), &work).await;
    let failure = world.rotator.apply(&world.cx(), &world.target(), &work, &candidate).await.expect_err("read-only");
    assert_eq!(failure.code, "postgres-read-only");
    assert!(matches!(failure.decision, Decision::Transient { .. }));
    assert!(!STANDBY.log().contains("ALTER ROLE"));
    assert_eq!(codes(&world.preflight(&world.target(), &work).await, FindingKind::Blocks), ["server-is-standby"]);
}
