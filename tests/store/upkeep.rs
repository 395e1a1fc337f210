//! What keeps the store quick: indexes that the frequent questions use.

use super::world::{World, on_both_engines};

on_both_engines!(frequent_questions_are_answered_by_indexes);

/// Questions that are asked per rotation or per round, and the index that must answer them.
const QUESTIONS: [(&str, &str); 9] = [
    ("SELECT due_at FROM agenda WHERE due_at IS NOT NULL AND due_at <= 5 ORDER BY due_at LIMIT 64", "agenda_due"),
    (
        "SELECT subject FROM agenda WHERE lane = 'a' AND due_at IS NOT NULL AND due_at > 1 AND due_at <= 5",
        "agenda_by_lane",
    ),
    ("SELECT subject FROM agenda WHERE holder = 'hld_1'", "agenda_claimed"),
    (
        "SELECT id FROM version WHERE secret_id = 's' AND tenant_id = 't' AND (stage <> 'retired' OR retired_at IS NULL) ORDER BY id",
        "version_live",
    ),
    ("SELECT id FROM version WHERE tenant_id = 't' AND key_id < 'k' ORDER BY key_id, id LIMIT 50", "version_by_key"),
    (
        "SELECT id FROM occurrence WHERE secret_id = 's' AND tenant_id = 't' AND ended_at IS NULL ORDER BY id",
        "occurrence_open",
    ),
    (
        "SELECT id FROM occurrence WHERE secret_id = 's' AND tenant_id = 't' ORDER BY id DESC LIMIT 5",
        "occurrence_by_secret",
    ),
    (
        "SELECT id FROM rotation WHERE tenant_id = 't' AND secret_id = 's' AND id < '~' ORDER BY id DESC LIMIT 5",
        "rotation_by_secret",
    ),
    ("SELECT seq FROM event WHERE rotation_id = 'r' AND tenant_id = 't' ORDER BY seq", "event_by_rotation"),
];

async fn frequent_questions_are_answered_by_indexes(world: World) {
    if !world.is_sqlite() {
        // The planner of PostgreSQL needs to see that a secret has few of all rotations.
        fill_rotations(&world).await;
    }
    for (question, index) in QUESTIONS {
        let plan = if world.is_sqlite() {
            plan_of_sqlite(&world, question).await
        } else {
            plan_of_postgres(&world, question).await
        };
        assert!(plan.contains(index), "{question}\n{plan}");
    }
}

async fn fill_rotations(world: &World) {
    for sql in [
        "ALTER TABLE rotation DROP CONSTRAINT rotation_secret_id_fkey, DROP CONSTRAINT rotation_tenant_id_fkey",
        "INSERT INTO rotation SELECT 'rot_' || n, 't', 's' || n % 500, 'x', '', n, NULL
         FROM generate_series(1, 5000) AS n",
        "ANALYZE rotation",
    ] {
        world.sql(sql).await;
    }
}

async fn plan_of_sqlite(world: &World, question: &str) -> String {
    use sqlx::{Connection as _, Row as _};
    let super::world::Rows::File(file) = &world.place else { panic!("it is SQLite") };
    let mut conn = sqlx::SqliteConnection::connect(&file.display().to_string()).await.expect("it opens");
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {question}"));
    let rows = sqlx::query(explain).fetch_all(&mut conn).await.expect("it is explained");
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

/// The planner of PostgreSQL reads small tables whole; it is told not to, as it would not with many rows.
async fn plan_of_postgres(world: &World, question: &str) -> String {
    use sqlx::Connection as _;
    let super::world::Rows::Url(url) = &world.place else { panic!("it is PostgreSQL") };
    let mut conn = sqlx::PgConnection::connect(url).await.expect("connected");
    sqlx::query("SET enable_bitmapscan = off").execute(&mut conn).await.expect("set");
    sqlx::query("SET enable_seqscan = off").execute(&mut conn).await.expect("set");
    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN {question}"));
    let lines: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut conn).await.expect("it is explained");
    lines.join("\n")
}
