//! Two roles that take turns: the turn, the overlap, and everything that must be equal before.

use std::sync::LazyLock;

use keywheel_contract::{FindingKind, Material, Preflight, Rotator, Work};
use serde_json::json;

use super::world::{World, codes, text, unique, value};
use crate::support::postgres::PostgresServer;

/// A server whose databases no other test makes or shuts.
static SERVER: LazyLock<PostgresServer> = LazyLock::new(PostgresServer::start);

/// Two equal login roles below an owner, and the work of rotating them; the first is in use.
struct Roles {
    first: String,
    second: String,
    owner: String,
}

fn roles(world: &World) -> (Roles, Work) {
    let (first, second, owner) = (unique("app_a"), unique("app_b"), unique("owner"));
    world.server.sql(&format!(
        "CREATE ROLE {owner}; CREATE ROLE {first} LOGIN PASSWORD 'first-password' IN ROLE {owner}; \
         CREATE ROLE {second} LOGIN PASSWORD 'stale-password' IN ROLE {owner}"
    ));
    let settings = json!({ "strategy": "alternate", "roles": [first, second], "owner": owner });
    let work = world.work(settings, Some(value(&first, "first-password")));
    (Roles { first, second, owner }, work)
}

fn hint_of<'a>(seen: &'a Preflight, code: &str) -> &'a str {
    &seen.findings.iter().find(|finding| finding.code == code).expect("found").hint
}

fn then(world: &World, work: &Work, current: &Material) -> Work {
    world.work(work.settings.clone(), Some(current.clone()))
}

#[tokio::test]
async fn both_passwords_work_during_the_overlap_and_the_old_one_ends_with_it() {
    let world = World::new();
    let (target, (roles, work)) = (world.target(), roles(&world));
    let old = work.current.clone().expect("known");
    let new = world.rotate(&target, &work).await;
    assert_eq!(text(&new, "username"), roles.second);
    assert!(world.accepts(&new) && world.accepts(&old));
    assert!(!world.accepts(&value(&roles.second, "stale-password")));
    for _ in 0..2 {
        world.rotator.retire(&world.cx(), &target, &work, &old, &new).await.expect("retired");
    }
    assert!(world.accepts(&new) && !world.accepts(&old));
    let work = then(&world, &work, &new);
    let third = world.rotate(&target, &work).await;
    assert_eq!(text(&third, "username"), roles.first);
    assert!(world.accepts(&third) && world.accepts(&new));
}

#[tokio::test]
async fn a_revert_ends_the_candidate_and_leaves_the_role_in_use() {
    let world = World::new();
    let (target, (_, work)) = (world.target(), roles(&world));
    let new = world.rotate(&target, &work).await;
    for _ in 0..2 {
        world.rotator.revert(&world.cx(), &target, &work, &new).await.expect("reverted");
        assert!(!world.accepts(&new) && world.accepts(work.current.as_ref().expect("known")));
    }
}

#[tokio::test]
async fn the_role_in_use_is_never_scrambled() {
    let world = World::new();
    let (target, (roles, work)) = (world.target(), roles(&world));
    let live = work.current.clone().expect("known");
    let failure = world.rotator.revert(&world.cx(), &target, &work, &live).await.expect_err("in use");
    assert_eq!(failure.code, "postgres-role-in-use");
    let older = value(&roles.first, "an-older-one");
    world.rotator.retire(&world.cx(), &target, &work, &older, &live).await.expect("it is refused already");
    let admin = value("postgres", "whatever");
    let failure = world.rotator.retire(&world.cx(), &target, &work, &admin, &live).await.expect_err("the admin");
    assert_eq!(failure.code, "postgres-role-in-use");
    assert!(world.accepts(&live));
}

#[tokio::test]
async fn equal_roles_pass_preflight_without_an_acknowledgement() {
    let world = World::new();
    let (target, (roles, work)) = (world.target(), roles(&world));
    let Roles { first, second, owner } = &roles;
    world.server.sql(&format!(
        "CREATE TABLE t_{first} (a int); ALTER TABLE t_{first} OWNER TO {owner}; \
         GRANT SELECT (a), UPDATE ON t_{first} TO {first}, {second}; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES TO {first}, {second}; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {first} GRANT SELECT ON TABLES TO {owner}; \
         ALTER DEFAULT PRIVILEGES FOR ROLE {second} GRANT SELECT ON TABLES TO {owner}; \
         CREATE POLICY p ON t_{first} TO {first}, {second}; \
         ALTER ROLE {first} SET role = '{owner}'; ALTER ROLE {second} SET role = '{owner}'"
    ));
    let seen = world.preflight(&target, &work).await;
    assert!(seen.findings.is_empty(), "{:#?}", seen.findings);
    assert_eq!(seen.changes, [format!("ALTER ROLE \"{second}\" PASSWORD '********'")]);
}

/// Database, what makes the roles differ, and what is printed to mend it; `@` is the role.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("postgres", "GRANT pg_monitor TO @", "GRANT pg_monitor TO @;"),
    ("postgres", "GRANT pg_monitor TO @ WITH ADMIN OPTION", "GRANT pg_monitor TO @ WITH ADMIN OPTION;"),
    ("postgres", "ALTER ROLE @ CONNECTION LIMIT 5", "ALTER ROLE @ CONNECTION LIMIT 5;"),
    ("postgres", "ALTER ROLE @ NOINHERIT", "ALTER ROLE @ NOINHERIT;"),
    ("postgres", "ALTER ROLE @ CREATEDB BYPASSRLS", "ALTER ROLE @ BYPASSRLS;"),
    ("postgres", "ALTER ROLE @ SET work_mem = '5MB'", "ALTER ROLE @ SET work_mem TO '5MB';"),
    ("postgres", "ALTER ROLE @ SET search_path = s, public", "ALTER ROLE @ SET search_path TO s, public;"),
    (
        "postgres",
        "ALTER ROLE @ IN DATABASE postgres SET work_mem = '6MB'",
        "ALTER ROLE @ IN DATABASE postgres SET work_mem TO '6MB';",
    ),
    ("postgres", "GRANT CREATE ON DATABASE postgres TO @", "GRANT CREATE ON DATABASE postgres TO @;"),
    ("postgres", "GRANT SET ON PARAMETER log_statement TO @", "GRANT SET ON PARAMETER log_statement TO @;"),
    ("postgres", "GRANT SELECT ON t TO @", "GRANT SELECT ON TABLE public.t TO @;"),
    ("postgres", "GRANT UPDATE (b) ON t TO @", "GRANT UPDATE (b) ON TABLE public.t TO @;"),
    ("postgres", "GRANT USAGE ON SCHEMA s TO @ WITH GRANT OPTION", "GRANT USAGE ON SCHEMA s TO @ WITH GRANT OPTION;"),
    ("postgres", "GRANT USAGE ON SEQUENCE q TO @", "GRANT USAGE ON SEQUENCE public.q TO @;"),
    ("postgres", "GRANT EXECUTE ON FUNCTION f() TO @", "GRANT EXECUTE ON ROUTINE public.f() TO @;"),
    ("postgres", "GRANT USAGE ON TYPE y TO @", "GRANT USAGE ON TYPE public.y TO @;"),
    ("postgres", "GRANT SELECT ON LARGE OBJECT 4711 TO @", "GRANT SELECT ON LARGE OBJECT 4711 TO @;"),
    (
        "postgres",
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA s GRANT SELECT ON TABLES TO @",
        "ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA s GRANT SELECT ON TABLES TO @;",
    ),
    (
        "postgres",
        "ALTER DEFAULT PRIVILEGES FOR ROLE @ GRANT SELECT ON TABLES TO pg_monitor",
        "ALTER DEFAULT PRIVILEGES FOR ROLE @ GRANT SELECT ON TABLES TO pg_monitor;",
    ),
    ("postgres", "CREATE POLICY p_@ ON t TO @", "ALTER POLICY \"p_@first\" ON public.t TO @first, @;"),
];

#[tokio::test]
async fn every_kind_of_difference_blocks_and_prints_the_statement_that_mends_it() {
    let world = World::at(&SERVER);
    let other = unique("db");
    world.server.sql(&format!("CREATE DATABASE {other}"));
    world.server.sql("CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    world.server.sql("CREATE SCHEMA s; CREATE SEQUENCE q; CREATE TYPE y AS ENUM ('x'); SELECT lo_create(4711)");
    world.server.sql_in(&other, "CREATE TABLE far (a int)");
    let far = (other.as_str(), "GRANT SELECT ON far TO @", "GRANT SELECT ON TABLE public.far TO @;");
    for (database, make, mend) in DIFFERENCES.iter().copied().chain([far]) {
        let (target, (roles, work)) = (world.target(), roles(&world));
        world.server.sql_in(database, &make.replace('@', &roles.first));
        let mend = mend.replace("\"p_@first\"", &format!("p_{}", roles.first)).replace("@first", &roles.first);
        let mend = mend.replace('@', &format!("\"{}\"", roles.second));
        let seen = world.preflight(&target, &work).await;
        assert_eq!(codes(&seen, FindingKind::Blocks), ["roles-differ"], "{make}: {seen:#?}");
        let hint = hint_of(&seen, "roles-differ");
        assert!(hint.lines().any(|line| line == mend), "{mend}\nis not in\n{hint}");
        let candidate = world.prepare(&target, &work).await;
        let failure = world.rotator.apply(&world.cx(), &target, &work, &candidate).await.expect_err("unequal");
        assert_eq!(failure.code, "postgres-roles-differ");
        assert!(!world.accepts(&candidate));
        // What is printed mends it.
        world.server.sql_in(database, &hint.lines().skip(1).collect::<String>());
        let seen = world.preflight(&target, &work).await;
        assert_eq!(codes(&seen, FindingKind::Blocks), Vec::<&str>::new(), "{make}: {:#?}", seen.findings);
    }
}

#[tokio::test]
async fn what_the_next_role_has_beyond_blocks_too() {
    let world = World::new();
    let (target, (roles, work)) = (world.target(), roles(&world));
    world.server.sql(&format!("GRANT pg_monitor TO {}", roles.second));
    let seen = world.preflight(&target, &work).await;
    assert_eq!(codes(&seen, FindingKind::Blocks), ["roles-differ"]);
    assert!(hint_of(&seen, "roles-differ").contains(&format!("REVOKE pg_monitor FROM \"{}\";", roles.second)));
}

#[tokio::test]
async fn a_login_role_that_owns_something_or_is_no_member_blocks() {
    let world = World::new();
    let (target, (Roles { first, second, owner }, work)) = (world.target(), roles(&world));
    world.server.sql(&format!("CREATE TABLE o_{first} (); ALTER TABLE o_{first} OWNER TO {second}"));
    let seen = world.preflight(&target, &work).await;
    assert_eq!(codes(&seen, FindingKind::Blocks), ["role-owns-objects"]);
    assert!(hint_of(&seen, "role-owns-objects").contains(&format!("REASSIGN OWNED BY \"{second}\" TO \"{owner}\"")));
    world.server.sql(&format!("DROP TABLE o_{first}; REVOKE {owner} FROM {first}, {second}"));
    let seen = world.preflight(&target, &work).await;
    assert_eq!(codes(&seen, FindingKind::Blocks), ["not-member-of-owner", "not-member-of-owner"]);
}

#[tokio::test]
async fn a_database_that_the_admin_may_not_enter_is_told_and_can_be_acknowledged() {
    let world = World::at(&SERVER);
    let (admin, database) = (unique("admin"), unique("db"));
    let (mut target, (_, work)) = (world.target(), roles(&world));
    world.server.sql(&format!("CREATE ROLE {admin} CREATEROLE LOGIN PASSWORD 'pw-of-admin'"));
    world.server.sql(&format!("CREATE DATABASE {database}"));
    world.server.sql(&format!("REVOKE CONNECT ON DATABASE {database} FROM public"));
    target.admins = vec![value(&admin, "pw-of-admin")];
    let seen = world.preflight(&target, &work).await;
    assert_eq!(codes(&seen, FindingKind::NeedsAcknowledgement), ["database-not-compared"]);
    assert_eq!(codes(&seen, FindingKind::Blocks), Vec::<&str>::new());
    world.rotate(&target, &work).await;
}
