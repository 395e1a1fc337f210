//! Migrations: the same numbers and names for both engines, forward only, embedded in the binary.
//!
//! Each runs in a transaction, so a crash leaves a schema before or after it. A store whose schema is newer than this
//! binary is refused.

use std::borrow::Cow;

use sqlx::{
    AssertSqlSafe, PgPool, SqlSafeStr, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::StoreError;

struct Step {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "the core",
        sqlite: include_str!("../../migrations/sqlite/0001_the_core.sql"),
        postgres: include_str!("../../migrations/postgres/0001_the_core.sql"),
    },
    Step {
        version: 2,
        name: "notices",
        sqlite: include_str!("../../migrations/sqlite/0002_notices.sql"),
        postgres: include_str!("../../migrations/postgres/0002_notices.sql"),
    },
    Step {
        version: 3,
        name: "sends are found alone",
        sqlite: include_str!("../../migrations/sqlite/0003_sends_are_found_alone.sql"),
        postgres: include_str!("../../migrations/postgres/0003_sends_are_found_alone.sql"),
    },
    Step {
        version: 4,
        name: "tokens",
        sqlite: include_str!("../../migrations/sqlite/0004_tokens.sql"),
        postgres: include_str!("../../migrations/postgres/0004_tokens.sql"),
    },
];

/// The newest schema that this binary knows.
pub const LATEST: i64 = STEPS[STEPS.len() - 1].version;

fn migrator(text: impl Fn(&Step) -> &'static str) -> Migrator {
    let migrations: Vec<Migration> = STEPS
        .iter()
        .map(|step| {
            let sql = AssertSqlSafe(text(step)).into_sql_str();
            Migration::new(step.version, Cow::Borrowed(step.name), MigrationType::Simple, sql, false)
        })
        .collect();
    Migrator::with_migrations(migrations)
}

fn failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) => {
            StoreError::NewerSchema { found, known: LATEST }
        }
        MigrateError::VersionMismatch(version) => StoreError::MigrationChanged { version },
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
            StoreError::database("migrate its schema", source)
        }
        other => StoreError::database("migrate its schema", sqlx::Error::Migrate(Box::new(other))),
    }
}

pub(super) async fn sqlite(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    // A connection is `Migrate` itself; running directly spares a pool.
    migrator(|step| step.sqlite).run_direct(None, conn, false).await.map_err(failed)
}

pub(super) async fn postgres(pool: &PgPool) -> Result<(), StoreError> {
    migrator(|step| step.postgres).run(pool).await.map_err(failed)
}
