//! Snapshots of SQLite's file, and opening one to look at it.
//!
//! A snapshot is one state of the store, made while it is written to. It holds no master key.

use std::{path::Path, sync::Arc};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::{
    Store, StoreError, Tx,
    connect::READERS,
    migrate,
    tx::{execute, on},
};
use crate::{keyring::Keyring, model::TenantId};

/// Writes a snapshot to a file that does not exist yet. A crash leaves a part of the file.
pub async fn snapshot(store: &Store, path: &Path) -> Result<(), StoreError> {
    let mut tx = store.read().await?;
    let path = path.display().to_string();
    execute!(tx, "write a snapshot", "VACUUM INTO $1", &path).map(|_| ())
}

/// Opens a snapshot for reading alone: nothing is written to its file or beside it.
pub async fn open(path: &Path, keyring: Arc<Keyring>) -> Result<Store, StoreError> {
    let opened = |source| StoreError::database("open the backup", source);
    let connect = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true).create_if_missing(false);
    let pool = SqlitePoolOptions::new().max_connections(READERS).connect_with(connect).await.map_err(opened)?;
    let store = Store::of_readers(pool, keyring).await?;
    let found = schema(&mut store.read().await?).await?;
    if found > migrate::LATEST {
        return Err(StoreError::NewerSchema { found, known: migrate::LATEST });
    }
    Ok(store)
}

async fn schema(tx: &mut Tx) -> Result<i64, StoreError> {
    on!(tx, "read the backup's schema", |conn| {
        sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations").fetch_one(&mut *conn).await
    })
}

/// What SQLite itself finds wrong with its file; nothing if it is whole.
pub async fn list_damage(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = on!(tx, "check the file", |conn| {
        sqlx::query_scalar("PRAGMA integrity_check(100)").fetch_all(&mut *conn).await
    })?;
    let orphans: i64 = on!(tx, "check its references", |conn| {
        sqlx::query_scalar("SELECT COUNT(*) FROM pragma_foreign_key_check").fetch_one(&mut *conn).await
    })?;
    found.retain(|line| line != "ok");
    if orphans > 0 {
        found.push(format!("{orphans} rows name rows that do not exist"));
    }
    Ok(found)
}

/// All tenants.
pub async fn list_tenants(tx: &mut Tx) -> Result<Vec<TenantId>, StoreError> {
    let ids: Vec<String> = on!(tx, "list tenants", |conn| {
        sqlx::query_scalar("SELECT id FROM tenant ORDER BY id").fetch_all(&mut *conn).await
    })?;
    let reader = super::codec::Reader { table: "tenant", row: "" };
    ids.iter().map(|id| reader.id("id", TenantId::parse, id)).collect()
}
