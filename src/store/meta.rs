//! Facts about the store itself: its id, the time-zone data of its due times.

use super::{
    StoreError, Tx,
    tx::{execute, on},
};

/// Finds a fact.
pub async fn find(tx: &mut Tx, name: &str) -> Result<Option<String>, StoreError> {
    on!(tx, "read a fact about itself", |conn| {
        sqlx::query_scalar("SELECT value FROM meta WHERE name = $1").bind(name).fetch_optional(&mut *conn).await
    })
}

/// Writes a fact.
pub async fn put(tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
    execute!(
        tx,
        "write a fact about itself",
        "INSERT INTO meta (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        value,
    )?;
    Ok(())
}
