//! Migrations: the same on both engines, never edited once released, whole or not at all, and never backwards.

use std::{collections::BTreeMap, fs, path::Path};

use keywheel::store::{SCHEMA_VERSION, StoreError};
use ring::digest;

use super::world::{Rows, World, hex, mint, on_both_engines, open};

on_both_engines!(
    a_schema_newer_than_the_binary_is_refused,
    an_edited_migration_is_refused,
    opening_again_keeps_the_rows
);

const GOLDEN: &str = include_str!("../golden/migrations.txt");

fn texts(engine: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
    let files = fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("readable").path());
    files
        .map(|path| {
            (path.file_name().expect("a name").to_string_lossy().into_owned(), fs::read_to_string(&path).expect("text"))
        })
        .collect()
}

#[test]
fn both_engines_have_the_same_migrations_in_a_row() {
    let (sqlite, postgres) = (texts("sqlite"), texts("postgres"));
    assert_eq!(sqlite.keys().collect::<Vec<_>>(), postgres.keys().collect::<Vec<_>>());
    for (n, name) in sqlite.keys().enumerate() {
        assert!(name.starts_with(&format!("{:04}_", n + 1)), "{name}");
    }
    assert_eq!(i64::try_from(sqlite.len()).expect("few"), SCHEMA_VERSION);
}

/// A line is made by `sha256sum migrations/*/*`, once its migration is released.
#[test]
fn a_released_migration_is_never_edited() {
    let mut released = 0;
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let (digest, path) = line.split_once("  ").expect("a digest and a path");
        let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a released migration is kept");
        let found = hex(digest::digest(&digest::SHA256, &text).as_ref());
        assert_eq!(found, digest, "{path} was edited");
        released += 1;
    }
    assert_eq!(released, texts("sqlite").len() + texts("postgres").len(), "each migration has its line");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_schemas_of_sqlite_and_postgres_have_the_same_columns() {
    let (sqlite, postgres) = (World::sqlite().await, World::postgres().await);
    let of_sqlite = "SELECT t.name || '.' || c.name || ' ' || lower(c.type) || ' ' || CASE WHEN c.\"notnull\" OR c.pk THEN 'set' ELSE 'null' END
         FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'";
    let of_postgres = "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || CASE is_nullable WHEN 'NO' THEN 'set' ELSE 'null' END
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%'";
    let (mut one, mut other) = (sqlite.texts(of_sqlite).await, postgres.texts(of_postgres).await);
    for line in &mut one {
        *line = line.replace(" blob ", " bytea ");
    }
    one.sort();
    other.sort();
    assert_eq!(one, other);
    assert!(one.len() > 100, "{}", one.len());
    let of_sqlite = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name";
    let of_postgres = "SELECT CAST(indexname AS TEXT) FROM pg_indexes WHERE schemaname = 'public'
         AND indexname NOT IN (SELECT conname FROM pg_constraint) ORDER BY indexname COLLATE \"C\"";
    assert_eq!(sqlite.texts(of_sqlite).await, postgres.texts(of_postgres).await);
}

async fn a_schema_newer_than_the_binary_is_refused(world: World) {
    let later = SCHEMA_VERSION + 1;
    let checksum = if world.is_sqlite() { "x'00'" } else { "decode('00', 'hex')" };
    world.sql(&format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ({later}, 'later', TRUE, {checksum}, 0)"
    )).await;
    let refused = world.reopen().await.err();
    assert!(
        matches!(refused, Some(StoreError::NewerSchema { found, known }) if found == later && known == SCHEMA_VERSION),
        "{refused:?}"
    );
}

async fn an_edited_migration_is_refused(world: World) {
    let other = if world.is_sqlite() { "x'00'" } else { "decode('00', 'hex')" };
    world.sql(&format!("UPDATE _sqlx_migrations SET checksum = {other} WHERE version = 1")).await;
    let refused = world.reopen().await.err();
    assert!(matches!(refused, Some(StoreError::MigrationChanged { version: 1 })), "{refused:?}");
}

async fn opening_again_keeps_the_rows(world: World) {
    let before = world.texts("SELECT name FROM tenant").await;
    let again = world.reopen().await.expect("opened");
    let found = keywheel::store::tenant::find_by_name(&mut again.read().await.expect("a connection"), "root").await;
    assert_eq!(found.expect("read"), Some(world.tenant.clone()));
    assert_eq!(world.texts("SELECT name FROM tenant").await, before);
}

/// The statements of a migration, cut at semicolons outside comments.
fn statements(text: &str) -> Vec<String> {
    let plain: String =
        text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    plain.split(';').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

mod proofs {
    use std::sync::Arc;

    use anyhow::{Result, ensure};
    use keywheel::{keyring::Keyring, model::TenantId};
    use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

    use super::*;
    use crate::{
        store::world::{fresh_database, now, server, url},
        support::proof::Proof,
    };

    /// A migration's first statements are run in a transaction as the migrator runs them, and the connection is gone.
    async fn stopped_after(rows: &Rows, statements: &[String]) -> Result<()> {
        match rows {
            Rows::File(file) => {
                let mut conn = SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", file.display())).await?;
                sqlx::query("BEGIN").execute(&mut conn).await?;
                for statement in statements {
                    sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut conn).await?;
                }
                drop(conn);
            }
            Rows::Url(url) => {
                let mut conn = PgConnection::connect(url).await?;
                sqlx::query("BEGIN").execute(&mut conn).await?;
                for statement in statements {
                    sqlx::query(AssertSqlSafe(statement.clone())).execute(&mut conn).await?;
                }
                conn.close_hard().await?;
            }
        }
        Ok(())
    }

    async fn every_statement(engine: &str, rows: Rows, proof: Proof) -> Result<()> {
        let all: Vec<String> = texts(engine).into_values().flat_map(|text| statements(&text)).collect();
        for n in 0..=all.len() {
            stopped_after(&rows, &all[..n]).await?;
        }
        // After all of them the schema is as before; the migration then runs to its end.
        let store = open(&rows, &Arc::new(Keyring::new())).await?;
        let tenant = mint(TenantId::mint);
        let put: Result<(), StoreError> = store
            .write(move |tx| Box::pin(async move { keywheel::store::tenant::insert(tx, &tenant, "root", now()).await }))
            .await;
        put?;
        ensure!(all.len() > 30, "{} statements", all.len());
        proof.end(all.len() as u64 + 1, 30)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_migration_of_sqlite_that_ends_anywhere_leaves_the_schema_as_before() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let rows = Rows::File(folder.path().join("keywheel.db"));
        every_statement("sqlite", rows, Proof::begin("7", "ends of a migration on SQLite")).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_migration_of_postgres_that_ends_anywhere_leaves_the_schema_as_before() -> Result<()> {
        let rows = Rows::Url(url(&fresh_database(), server().port()));
        every_statement("postgres", rows, Proof::begin("7", "ends of a migration on PostgreSQL")).await
    }
}
