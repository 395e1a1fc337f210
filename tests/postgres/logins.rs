//! What the real server answers to logins, and what is concluded.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use keywheel_contract::{FindingKind, Refusal, Rotator, Seen, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::world::{World, codes, unique, value};
use crate::support::postgres::PostgresServer;

/// A server with lines of pg_hba.conf that let some roles in without a password, or not at all.
static ODD: LazyLock<PostgresServer> = LazyLock::new(|| {
    PostgresServer::builder()
        .hba("host all open_door 127.0.0.1/32 trust")
        .hba("host all shut_door 127.0.0.1/32 reject")
        .hba("host all plain_door 127.0.0.1/32 password")
        .hba("host all md5_door 127.0.0.1/32 md5")
        .start()
});

fn refused(refusal: Refusal) -> Seen {
    Seen::Refused { refusal }
}

#[tokio::test]
async fn a_past_end_is_told_from_a_wrong_password() {
    let world = World::new();
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    let (right, wrong) = (value(&role, "first-password"), value(&role, "wrong"));
    assert_eq!(world.probe(&target, &work, &wrong).await, refused(Refusal::WrongCredential));
    world.server.sql(&format!("ALTER ROLE {role} VALID UNTIL '2001-01-01'"));
    assert_eq!(world.probe(&target, &work, &right).await, refused(Refusal::Expired));
    let failure = world.rotator.verify(&world.cx(), &target, &work, &right).await.expect_err("expired");
    assert_eq!(failure.code, "postgres-role-expired");
}

#[tokio::test]
async fn without_an_admin_to_look_a_refusal_is_silence_unless_the_admin_is_refused_too() {
    let world = World::new();
    let role = unique("app");
    let (mut target, work) = (world.target(), world.single(&role, "first-password"));
    target.admins = vec![value("postgres", "wrong")];
    assert_eq!(world.probe(&target, &work, &value(&role, "wrong")).await, refused(Refusal::WrongCredential));
    target.settings["database"] = json!("nope");
    target.admins = world.target().admins;
    let mut work = work;
    work.settings["database"] = json!("postgres");
    assert!(matches!(world.probe(&target, &work, &value(&role, "wrong")).await, Seen::Unreachable { .. }));
}

#[tokio::test]
async fn a_role_without_login_or_that_is_gone_is_barred() {
    let world = World::new();
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    world.server.sql(&format!("ALTER ROLE {role} NOLOGIN"));
    assert_eq!(world.probe(&target, &work, &value(&role, "first-password")).await, refused(Refusal::Barred));
    world.server.sql(&format!("DROP ROLE {role}"));
    assert_eq!(world.probe(&target, &work, &value(&role, "first-password")).await, refused(Refusal::Barred));
}

#[tokio::test]
async fn a_full_connection_limit_and_a_missing_database_prove_acceptance_of_the_right_password_alone() {
    let world = World::new();
    let role = unique("app");
    let (target, mut work) = (world.target(), world.single(&role, "first-password"));
    let (right, wrong) = (value(&role, "first-password"), value(&role, "wrong"));
    world.server.sql(&format!("ALTER ROLE {role} CONNECTION LIMIT 0"));
    assert_eq!(world.probe(&target, &work, &right).await, Seen::Works);
    assert_eq!(world.probe(&target, &work, &wrong).await, refused(Refusal::WrongCredential));
    let verdict = world.rotator.verify(&world.cx(), &target, &work, &right).await.expect("accepted");
    assert!(matches!(verdict, Verdict::Works { .. }));
    work.settings["database"] = json!("nope");
    world.server.sql(&format!("ALTER ROLE {role} CONNECTION LIMIT -1"));
    assert_eq!(world.probe(&target, &work, &right).await, Seen::Works);
    assert_eq!(world.probe(&target, &work, &wrong).await, refused(Refusal::WrongCredential));
}

#[tokio::test]
async fn a_database_that_the_role_may_not_enter_is_barred() {
    let world = World::new();
    let (role, database) = (unique("app"), unique("db"));
    let (target, mut work) = (world.target(), world.single(&role, "first-password"));
    world.server.sql(&format!("CREATE DATABASE {database}"));
    world.server.sql(&format!("REVOKE CONNECT ON DATABASE {database} FROM public"));
    work.settings["database"] = json!(database);
    assert_eq!(world.probe(&target, &work, &value(&role, "first-password")).await, refused(Refusal::Barred));
    world.server.sql(&format!("ALTER DATABASE {database} CONNECTION LIMIT 0"));
    world.server.sql(&format!("GRANT CONNECT ON DATABASE {database} TO public"));
    assert_eq!(world.probe(&target, &work, &value(&role, "first-password")).await, Seen::Works);
}

#[tokio::test]
async fn a_server_that_lets_any_password_in_is_found_by_preflight_and_proves_nothing() {
    let world = World::at(&ODD);
    let (target, work) = (world.target(), world.single("open_door", "first-password"));
    let seen = world.preflight(&target, &work).await;
    assert_eq!(codes(&seen, FindingKind::Blocks), ["any-password-accepted"]);
    let right = value("open_door", "first-password");
    assert!(matches!(world.probe(&target, &work, &right).await, Seen::Unreachable { .. }));
    let failure = world.rotator.verify(&world.cx(), &target, &work, &right).await.expect_err("no proof");
    assert_eq!(failure.code, "postgres-any-password-accepted");
}

#[tokio::test]
async fn a_line_that_rejects_the_role_is_barred() {
    let world = World::at(&ODD);
    let (target, work) = (world.target(), world.single("shut_door", "first-password"));
    assert_eq!(world.probe(&target, &work, &value("shut_door", "x")).await, refused(Refusal::Barred));
    assert_eq!(codes(&world.preflight(&target, &work).await, FindingKind::Blocks), ["login-barred"]);
}

#[tokio::test]
async fn clear_and_md5_authentication_are_answered() {
    let world = World::at(&ODD);
    for (role, form) in [("plain_door", "verifier"), ("md5_door", "md5")] {
        let (target, mut work) = (world.target(), world.single(role, "first-password"));
        work.settings["password_form"] = json!(form);
        let new = world.rotate(&target, &work).await;
        assert!(world.accepts(&new) && !world.accepts(&value(role, "first-password")), "{role}");
    }
}

#[tokio::test]
async fn a_follower_that_does_not_answer_is_not_yet_and_a_deciding_one_decides() {
    let world = World::new();
    let work = world.single(&unique("app"), "first-password");
    let right = work.current.clone().expect("known");
    for standing in ["following", "deciding"] {
        let target = world.target_with(json!({
            "host": "127.0.0.1", "port": world.server.port(),
            "hosts": [{ "host": "127.0.0.1", "port": 1, "standing": standing }],
        }));
        let verdict = world.rotator.verify(&world.cx(), &target, &work, &right).await.expect("an answer");
        assert!(matches!(verdict, Verdict::NotYet { .. }), "{verdict:?}");
        let seen = world.probe(&target, &work, &right).await;
        assert_eq!(seen == Seen::Works, standing == "following", "{seen:?}");
    }
}

#[tokio::test]
async fn a_refused_candidate_is_not_yet() {
    let world = World::new();
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    let verdict = world.rotator.verify(&world.cx(), &target, &work, &value(&role, "wrong")).await.expect("an answer");
    assert!(matches!(verdict, Verdict::NotYet { .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_silent_within_the_time_limit() {
    static FROZEN: LazyLock<PostgresServer> = LazyLock::new(PostgresServer::start);
    let world = World::at(&FROZEN);
    let work = world.single(&unique("app"), "first-password");
    let right = work.current.clone().expect("known");
    let port = FROZEN.port();
    let target = world.target_with(json!({ "host": "127.0.0.1", "port": port, "connect_timeout": "300ms" }));
    let postmaster = Pid::from_raw(i32::try_from(FROZEN.pid()).expect("a pid")).expect("not zero");
    kill_process(postmaster, Signal::STOP).expect("stopped");
    let begun = Instant::now();
    let seen = world.probe(&target, &work, &right).await;
    let failure = world.rotator.apply(&world.cx(), &target, &work, &right).await.expect_err("silent");
    kill_process(postmaster, Signal::CONT).expect("continued");
    assert!(matches!(seen, Seen::Unreachable { .. }), "{seen:?}");
    assert_eq!(failure.code, "postgres-unreachable");
    assert!(begun.elapsed() < Duration::from_secs(3), "five times two limits");
    assert_eq!(world.probe(&world.target(), &work, &right).await, Seen::Works);
}
