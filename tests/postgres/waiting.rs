//! Statements that wait at the server: for a lock, for a client that is gone.

use std::time::{Duration, Instant};

use keywheel_contract::{Decision, Rotator, Settled, Target, Work};
use sqlx::{Connection, PgConnection};

use super::world::{World, text, unique, value};
use crate::support::{postgres::ADMIN_PASSWORD, wait::eventually};

/// A session that has changed the role's row and not committed.
async fn holder(world: &World, role: &str) -> PgConnection {
    let url = format!("postgres://postgres:{ADMIN_PASSWORD}@127.0.0.1:{}/postgres", world.server.port());
    let mut session = PgConnection::connect(&url).await.expect("a session");
    run(&mut session, &format!("BEGIN; ALTER ROLE {role} CONNECTION LIMIT 9")).await;
    session
}

async fn run(session: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(session).await.expect("a statement");
}

/// Waits until a session of the rotation waits for a lock.
async fn until_it_waits(world: &World, work: &Work) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'keywheel/{}' AND wait_event_type = 'Lock'",
        work.rotation
    );
    let waits = async || (world.server.sql(&sql) == "1").then_some(());
    eventually(Duration::from_secs(20), "the statement waits", waits).await.expect("in time");
}

async fn settle(world: &World, target: &Target, work: &Work) -> u32 {
    let mut rounds = 0;
    let settled = async || {
        rounds += 1;
        (world.rotator.settle(&world.cx(), target, work).await.expect("settling") == Settled::Yes).then_some(())
    };
    eventually(Duration::from_secs(20), "it is settled", settled).await.expect("in time");
    rounds
}

/// Starts an apply that waits for the lock, then abandons it as a killed process does.
async fn abandon_an_apply(world: &World, target: &Target, work: &Work) -> keywheel_contract::Material {
    let candidate = world.prepare(target, work).await;
    let cx = world.cx();
    tokio::select! {
        done = world.rotator.apply(&cx, target, work, &candidate) => panic!("not waiting: {done:?}"),
        () = until_it_waits(world, work) => {}
    }
    candidate
}

#[tokio::test]
async fn after_settling_a_dead_clients_statement_never_runs() {
    let world = World::new();
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    let mut lock = holder(&world, &role).await;
    let candidate = abandon_an_apply(&world, &target, &work).await;
    settle(&world, &target, &work).await;
    // Taken back: after a commit the late statement would fail as concurrent, and this test could not.
    run(&mut lock, "ROLLBACK").await;
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'keywheel/{}'", work.rotation);
    assert_eq!(world.server.sql(&sql), "0");
    assert!(world.accepts(&value(&role, "first-password")) && !world.accepts(&candidate));
}

#[tokio::test]
async fn without_settling_it_does_run_so_the_proof_above_can_fail() {
    let world = World::new();
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    let mut lock = holder(&world, &role).await;
    let candidate = abandon_an_apply(&world, &target, &work).await;
    run(&mut lock, "ROLLBACK").await;
    let limit = Instant::now() + Duration::from_secs(20);
    while !world.accepts(&candidate) {
        assert!(Instant::now() < limit, "the late statement never ran");
    }
}

#[tokio::test]
async fn settling_with_nothing_to_end_says_yes_at_once_and_twice() {
    let world = World::new();
    let (target, work) = (world.target(), world.single(&unique("app"), "first-password"));
    world.rotate(&target, &work).await;
    assert_eq!((settle(&world, &target, &work).await, settle(&world, &target, &work).await), (1, 1));
}

#[tokio::test]
async fn a_session_of_another_role_that_may_not_be_ended_is_said() {
    let world = World::new();
    let (admin, role) = (unique("admin"), unique("app"));
    world.server.sql(&format!("CREATE ROLE {admin} CREATEROLE LOGIN PASSWORD 'pw-of-admin'"));
    let work = world.single(&role, "first-password");
    let name = format!("keywheel/{}", work.rotation);
    let url = format!("postgres://postgres:{ADMIN_PASSWORD}@127.0.0.1:{}/postgres", world.server.port());
    let mut other = PgConnection::connect(&url).await.expect("a session");
    run(&mut other, &format!("SET application_name = '{name}'")).await;
    let mut target = world.target();
    target.admins = vec![value(&admin, "pw-of-admin")];
    let failure = world.rotator.settle(&world.cx(), &target, &work).await.expect_err("not permitted");
    assert_eq!(failure.code, "postgres-cannot-end-sessions");
    assert!(failure.hint.contains("pg_signal_backend"));
}

#[tokio::test]
async fn a_held_row_is_transient_and_answered_before_the_deadline() {
    let mut world = World::new();
    world.deadline = Duration::from_secs(2);
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    let _lock = holder(&world, &role).await;
    let candidate = world.prepare(&target, &work).await;
    let begun = Instant::now();
    let failure = world.rotator.apply(&world.cx(), &target, &work, &candidate).await.expect_err("held");
    assert_eq!(failure.code, "postgres-role-locked");
    assert!(matches!(failure.decision, Decision::Transient { .. }));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_role_that_another_session_changed_meanwhile_is_transient() {
    let world = World::new();
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    let mut lock = holder(&world, &role).await;
    let candidate = world.prepare(&target, &work).await;
    let cx = world.cx();
    let (applied, ()) = tokio::join!(world.rotator.apply(&cx, &target, &work, &candidate), async {
        until_it_waits(&world, &work).await;
        run(&mut lock, "COMMIT").await;
    });
    let failure = applied.expect_err("changed meanwhile");
    assert_eq!(failure.code, "postgres-concurrent-change", "{failure:?}");
    let new = world.rotate(&target, &work).await;
    assert!(world.accepts(&new));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_unknown() {
    let mut world = World::new();
    world.deadline = Duration::from_secs(2);
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    let candidate = world.prepare(&target, &work).await;
    // The session is ended while its statement waits: whether it was done, the client cannot tell.
    let lock = holder(&world, &role).await;
    let cx = world.cx();
    let (applied, ()) = tokio::join!(world.rotator.apply(&cx, &target, &work, &candidate), async {
        until_it_waits(&world, &work).await;
        world.server.sql(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keywheel/{}'",
            work.rotation
        ));
    });
    drop(lock);
    let failure = applied.expect_err("ended");
    assert_eq!(failure.decision, Decision::Unknown, "{failure:?}");
    assert!(!failure.sentence.contains(text(&candidate, "password")));
}
