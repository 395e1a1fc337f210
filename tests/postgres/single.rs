//! One role, one password: the whole rotation, its undoing, and what must stay as it was.

use keywheel_contract::{Decision, FindingKind, Refusal, Rotator, Seen};
use serde_json::json;

use super::world::{World, assert_only_password_changed, codes, ident, text, unique, value};

#[tokio::test]
async fn a_rotated_password_logs_in_and_the_one_before_does_not() {
    let world = World::new();
    let (target, work) = (world.target(), world.single(&unique("app"), "first-password"));
    let old = work.current.clone().expect("known");
    let new = world.rotate(&target, &work).await;
    assert!(world.accepts(&new) && !world.accepts(&old));
    assert_eq!(world.probe(&target, &work, &new).await, Seen::Works);
    assert_eq!(world.probe(&target, &work, &old).await, Seen::Refused { refusal: Refusal::WrongCredential });
    world.rotator.retire(&world.cx(), &target, &work, &old, &new).await.expect("the old one is refused already");
}

#[tokio::test]
async fn every_step_and_every_undo_runs_twice_without_harm() {
    let world = World::new();
    let (target, work) = (world.target(), world.single(&unique("app"), "first-password"));
    let old = work.current.clone().expect("known");
    let new = world.rotate(&target, &work).await;
    world.rotator.apply(&world.cx(), &target, &work, &new).await.expect("applied twice");
    assert!(world.accepts(&new));
    for _ in 0..2 {
        world.rotator.revert(&world.cx(), &target, &work, &new).await.expect("reverted");
        assert!(world.accepts(&old) && !world.accepts(&new));
    }
    for _ in 0..2 {
        world.rotator.retire(&world.cx(), &target, &work, &new, &old).await.expect("retired");
    }
    assert!(world.accepts(&old));
}

#[tokio::test]
async fn a_revert_before_any_apply_leaves_the_current_password() {
    let world = World::new();
    let (target, work) = (world.target(), world.single(&unique("app"), "first-password"));
    let candidate = world.prepare(&target, &work).await;
    world.rotator.revert(&world.cx(), &target, &work, &candidate).await.expect("harmless");
    assert!(world.accepts(work.current.as_ref().expect("known")));
}

#[tokio::test]
async fn a_revert_without_a_known_password_is_harmless_or_says_that_there_is_no_way_back() {
    let world = World::new();
    let target = world.target();
    let mut work = world.single(&unique("app"), "first-password");
    let old = work.current.take().expect("known");
    let candidate = world.prepare(&target, &work).await;
    world.rotator.revert(&world.cx(), &target, &work, &candidate).await.expect("nothing was applied");
    assert!(world.accepts(&old));
    world.rotator.apply(&world.cx(), &target, &work, &candidate).await.expect("applied");
    let failure = world.rotator.revert(&world.cx(), &target, &work, &candidate).await.expect_err("no way back");
    assert_eq!(failure.code, "postgres-no-way-back");
    assert!(world.accepts(&candidate));
}

#[tokio::test]
async fn a_role_that_may_not_log_in_is_reverted_all_the_same() {
    let world = World::new();
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    let new = world.rotate(&target, &work).await;
    world.server.sql(&format!("ALTER ROLE {role} NOLOGIN"));
    world.rotator.revert(&world.cx(), &target, &work, &new).await.expect("the password is proven before the bar");
    world.server.sql(&format!("ALTER ROLE {role} LOGIN"));
    assert!(world.accepts(work.current.as_ref().expect("known")));
}

/// Of several endpoints one may follow late, so each is asked whether it still takes the old password. A single one
/// was asked when the new password was verified: a role holds one password, so the login with the new one has shown
/// that the old one is refused, and what somebody sets afterwards is drift, which the probe tells.
#[tokio::test]
async fn the_old_password_that_somebody_set_back_is_not_called_retired() {
    let world = World::new();
    let role = unique("app");
    let work = world.single(&role, "first-password");
    let new = world.rotate(&world.target(), &work).await;
    world.server.sql(&format!("ALTER ROLE {role} PASSWORD 'first-password'"));
    let old = work.current.as_ref().expect("known");
    let one = world.rotator.retire(&world.cx(), &world.target(), &work, old, &new).await;
    one.expect("the login that verified the new one has proven it");
    let target = world.target_with(json!({
        "host": "127.0.0.1", "port": world.server.port(), "tls": "off",
        "hosts": [{ "host": "localhost", "port": world.server.port() }],
    }));
    let failure = world.rotator.retire(&world.cx(), &target, &work, old, &new).await.expect_err("still accepted");
    assert_eq!((failure.code, failure.decision), ("postgres-old-still-accepted", Decision::Refused));
}

#[tokio::test]
async fn no_password_reaches_the_servers_log_or_its_list_of_activity() {
    let world = World::new();
    let old = unique("canary-old");
    let (target, work) = (world.target(), world.single(&unique("app"), &old));
    let count = |log: &str| log.matches(&old).count();
    let before = count(&world.server.log());
    world.preflight(&target, &work).await;
    let new = world.rotate(&target, &work).await;
    world.rotator.revert(&world.cx(), &target, &work, &new).await.expect("reverted");
    let log = world.server.log();
    assert!(log.contains(&format!("keywheel/{}", work.rotation)), "the session's name is in the log");
    assert!(!log.contains(text(&new, "password")), "the log holds the new password");
    assert_eq!((before, count(&log)), (1, 1), "the log holds the old one where the test itself set it");
    let activity = world.server.sql("SELECT query FROM pg_stat_activity");
    assert!(!activity.contains(text(&new, "password")));
}

#[tokio::test]
async fn a_preflight_sends_nothing_that_changes_and_shows_the_statement_masked() {
    let (world, _turn) = World::alone().await;
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    let before = world.catalogue();
    let seen = world.preflight(&target, &work).await;
    assert_eq!(seen.changes, [format!("ALTER ROLE \"{role}\" PASSWORD '********'")]);
    assert_eq!(codes(&seen, FindingKind::NeedsAcknowledgement), ["no-overlap"]);
    assert_eq!(codes(&seen, FindingKind::Blocks), Vec::<&str>::new(), "{seen:?}");
    assert_eq!(world.catalogue(), before);
    assert!(!world.server.log().contains(&format!("ALTER ROLE \"{role}\"")));
}

#[tokio::test]
async fn attributes_that_are_not_ours_survive() {
    let (world, _turn) = World::alone().await;
    let role = unique("app");
    let (target, work) = (world.target(), world.single(&role, "first-password"));
    world.server.sql(&format!(
        "ALTER ROLE {role} CREATEDB REPLICATION BYPASSRLS NOINHERIT CONNECTION LIMIT 7 VALID UNTIL '2099-01-01'; \
         ALTER ROLE {role} SET work_mem = '5MB'; COMMENT ON ROLE {role} IS 'billing'; GRANT pg_monitor TO {role}"
    ));
    let before = world.catalogue();
    let new = world.rotate(&target, &work).await;
    assert_only_password_changed(&before, &world.catalogue(), &role);
    world.rotator.revert(&world.cx(), &target, &work, &new).await.expect("reverted");
    assert_only_password_changed(&before, &world.catalogue(), &role);
    assert!(before.iter().any(|line| line.contains("2099")));
}

#[tokio::test]
async fn the_end_of_validity_follows_the_setting() {
    let world = World::new();
    for (setting, expected) in
        [("keep", "2098-01-01 00:00:00+00"), ("infinity", "infinity"), ("next-due+7d", "2096-10-09 07:06:40+00")]
    {
        let role = unique("app");
        let mut work = world.single(&role, "first-password");
        world.server.sql(&format!("ALTER ROLE {role} VALID UNTIL '2098-01-01 00:00:00+00'"));
        work.settings["valid_until"] = json!(setting);
        work.next_due_at = Some(4_000_000_000_000_000);
        world.rotate(&world.target(), &work).await;
        let sql = format!("SET timezone = 'UTC'; SELECT rolvaliduntil FROM pg_roles WHERE rolname = '{role}'");
        assert_eq!(world.server.sql(&sql), expected);
    }
}

#[tokio::test]
async fn an_end_before_the_next_due_time_blocks() {
    let world = World::new();
    let role = unique("app");
    let mut work = world.single(&role, "first-password");
    work.next_due_at = Some(4_000_000_000_000_000);
    for (end, code) in [("2030-01-01", "valid-until-before-next-due"), ("2020-01-01", "valid-until-passed")] {
        world.server.sql(&format!("ALTER ROLE {role} VALID UNTIL '{end}'"));
        let seen = world.preflight(&world.target(), &work).await;
        assert_eq!(codes(&seen, FindingKind::Blocks), [code]);
    }
}

#[tokio::test]
async fn a_server_that_is_set_to_md5_is_refused_until_the_form_says_md5() {
    let world = World::new();
    let role = unique("app");
    let mut work = world.single(&role, "first-password");
    // The setting of the admin alone, so that other tests keep theirs.
    let admin = unique("admin");
    world.server.sql(&format!(
        "CREATE ROLE {admin} SUPERUSER LOGIN PASSWORD 'pw-of-admin'; ALTER ROLE {admin} SET password_encryption = md5"
    ));
    let mut target = world.target();
    target.admins = vec![value(&admin, "pw-of-admin")];
    let candidate = world.prepare(&target, &work).await;
    let failure = world.rotator.apply(&world.cx(), &target, &work, &candidate).await.expect_err("md5");
    assert_eq!(failure.code, "postgres-md5-server");
    assert_eq!(codes(&world.preflight(&target, &work).await, FindingKind::Blocks), ["md5-server"]);
    work.settings["password_form"] = json!("md5");
    let seen = world.preflight(&target, &work).await;
    assert_eq!(codes(&seen, FindingKind::NeedsAcknowledgement), ["no-overlap", "md5-password"]);
    world.rotator.apply(&world.cx(), &target, &work, &candidate).await.expect("applied");
    let stored = world.server.sql(&format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{role}'"));
    assert!(stored.starts_with("md5"), "{stored}");
}

#[tokio::test]
async fn bad_input_is_named_and_changes_nothing() {
    let world = World::new();
    let role = unique("app");
    let work = world.single(&role, "first-password");
    let poor = unique("poor");
    world.server.sql(&format!("CREATE ROLE {poor} LOGIN PASSWORD 'pw-of-poor'"));
    let candidate = world.prepare(&world.target(), &work).await;
    let with_admins = |admins| {
        let mut target = world.target();
        target.admins = admins;
        target
    };
    let at = |settings| world.target_with(settings);
    let port = world.server.port();
    for (target, code) in [
        (with_admins(vec![value("postgres", "wrong")]), "postgres-admin-refused"),
        (with_admins(vec![]), "postgres-admin-missing"),
        (with_admins(vec![value(&poor, "pw-of-poor")]), "postgres-permission-denied"),
        (with_admins(vec![value("a\0b", "x")]), "postgres-setting-invalid"),
        (at(json!({ "host": "127.0.0.1", "port": 1 })), "postgres-unreachable"),
        (at(json!({ "host": "127.0.0.1", "port": port, "database": "nope" })), "postgres-database-refused"),
        (at(json!({ "host": "127.0.0.1", "port": port, "tls": "verify-full" })), "postgres-tls-failed"),
        (at(json!({ "host": "postgres://127.0.0.1" })), "postgres-setting-invalid"),
    ] {
        let failure = world.rotator.apply(&world.cx(), &target, &work, &candidate).await.expect_err("refused");
        assert_eq!(failure.code, code, "{failure:?}");
        assert!(!failure.hint.is_empty() && !failure.sentence.contains(text(&candidate, "password")));
    }
    let mut other = work.clone();
    other.settings = json!({ "strategy": "single", "role": unique("missing") });
    let missing = world.prepare(&world.target(), &other).await;
    let failure = world.rotator.apply(&world.cx(), &world.target(), &other, &missing).await.expect_err("no role");
    assert_eq!(failure.code, "postgres-role-missing");
    let failure = world.rotator.apply(&world.cx(), &world.target(), &other, &candidate).await.expect_err("foreign");
    assert_eq!(failure.code, "postgres-foreign-role");
    assert!(world.accepts(work.current.as_ref().expect("known")));
}

#[tokio::test]
async fn the_next_admin_credential_is_tried_when_one_is_refused() {
    let world = World::new();
    let work = world.single(&unique("app"), "first-password");
    let mut target = world.target();
    target.admins.insert(0, value("postgres", "not-yet"));
    let new = world.rotate(&target, &work).await;
    assert!(world.accepts(&new));
}

#[tokio::test]
async fn a_rotation_through_the_unix_socket_works() {
    let world = World::new();
    let work = world.single(&unique("app"), "first-password");
    let folder = world.server.socket_folder().to_str().expect("plain");
    let target = world.target_with(json!({ "host": folder, "port": world.server.port() }));
    assert!(world.accepts(&world.rotate(&target, &work).await));
}

#[tokio::test]
async fn only_the_intended_account_changes_under_200_hostile_names() {
    let (world, _turn) = World::alone().await;
    let names = hostile_names();
    assert_eq!(names.len(), 200);
    let create = names.iter().map(|name| format!("CREATE ROLE {} LOGIN PASSWORD 'first-password'", ident(name)));
    world.server.sql(&create.collect::<Vec<_>>().join(";\n"));
    let target = world.target();
    let mut before = world.catalogue();
    for name in &names {
        let work = world.work(json!({ "strategy": "single", "role": name }), Some(value(name, "first-password")));
        let new = world.rotate(&target, &work).await;
        let after = world.catalogue();
        assert_only_password_changed(&before, &after, name);
        assert!(world.accepts(&new), "{name:?}");
        before = after;
    }
}

/// What a careless program trips over.
const SEEDS: &[&str] = &[
    "\"",
    "\"\"",
    "'",
    "''",
    "\\",
    "\\'",
    ";",
    "--",
    "/*",
    "*/",
    "$$",
    "$1",
    "%s",
    "{}",
    ",",
    "=",
    "a,b",
    "n=x,r=y",
    " ",
    "  x",
    "x ",
    "\t",
    "\n",
    "\r\n",
    "\u{7}",
    "\u{1b}[31m",
    "\u{7f}",
    "é",
    "ß",
    "İ",
    "ﬁ",
    "\u{202e}abc",
    "\u{200b}",
    "日本",
    "😀",
    "\u{feff}",
    "A",
    "SELECT",
    "user",
    "all",
    "current_user",
    "session_user",
    "x\" SUPERUSER; --",
    "x'; DROP ROLE postgres; --",
    "host=evil",
    "postgresql://x",
    "../..",
    "@file",
    "$(id)",
    "`id`",
    "%00",
];

/// 200 different names of at most 63 bytes, each with something that a careless program trips over.
fn hostile_names() -> Vec<String> {
    let mut names = Vec::new();
    for (n, seed) in SEEDS.iter().enumerate() {
        names.push((*seed).to_owned());
        names.push(format!("{seed}{n}"));
        names.push(format!("{n}{seed}"));
        let pad = "x".repeat(63 - seed.len());
        names.push(format!("{pad}{seed}"));
    }
    names.sort();
    names.dedup();
    names.truncate(200);
    names
}
