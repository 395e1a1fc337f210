//! The list of rotations: an index into the journals, rebuilt from them at need. It decides nothing.

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    codec::{Reader, at, us},
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    model::{RotationId, SecretId, TenantId},
};

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The rotation.
    pub id: RotationId,
    /// Its secret.
    pub secret: SecretId,
    /// The word for where it stands.
    pub status: String,
    /// The last failure in a sentence, or nothing.
    pub detail: String,
    /// When it was planned.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    secret_id: String,
    status: String,
    detail: String,
    started_at: i64,
    ended_at: Option<i64>,
}

impl Row {
    fn into_entry(self) -> Result<Entry, StoreError> {
        let reader = Reader { table: "rotation", row: &self.id };
        Ok(Entry {
            id: reader.id("id", RotationId::parse, &self.id)?,
            secret: reader.id("secret_id", SecretId::parse, &self.secret_id)?,
            status: self.status,
            detail: self.detail,
            started_at: from_micros(self.started_at),
            ended_at: at(self.ended_at),
        })
    }
}

/// Adds or changes a line.
pub async fn put(tx: &mut Tx, tenant: &TenantId, entry: &Entry) -> Result<(), StoreError> {
    execute!(
        tx,
        "list a rotation",
        "INSERT INTO rotation (id, tenant_id, secret_id, status, detail, started_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, detail = excluded.detail,
             ended_at = excluded.ended_at",
        entry.id.as_str(),
        tenant.as_str(),
        entry.secret.as_str(),
        &entry.status,
        &entry.detail,
        micros(entry.started_at),
        us(entry.ended_at),
    )?;
    Ok(())
}

/// Finds a line.
pub async fn find(tx: &mut Tx, tenant: &TenantId, id: &RotationId) -> Result<Option<Entry>, StoreError> {
    let row: Option<Row> = on!(tx, "find a rotation", |conn| {
        sqlx::query_as(
            "SELECT id, secret_id, status, detail, started_at, ended_at FROM rotation
             WHERE id = $1 AND tenant_id = $2",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(Row::into_entry).transpose()
}

/// The newest rotations of a tenant, or of one secret, newest first; those before a cursor (an id) if it is given.
pub async fn list(
    tx: &mut Tx,
    tenant: &TenantId,
    secret: Option<&SecretId>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    // Two texts, so that each has an index; no id is greater than `~`.
    let before = before.unwrap_or("~");
    let rows: Vec<Row> = match secret {
        Some(secret) => on!(tx, "list the rotations of a secret", |conn| {
            sqlx::query_as(
                "SELECT id, secret_id, status, detail, started_at, ended_at FROM rotation
                 WHERE tenant_id = $1 AND secret_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4",
            )
            .bind(tenant.as_str())
            .bind(secret.as_str())
            .bind(before)
            .bind(limit)
            .fetch_all(&mut *conn)
            .await
        }),
        None => on!(tx, "list rotations", |conn| {
            sqlx::query_as(
                "SELECT id, secret_id, status, detail, started_at, ended_at FROM rotation
                 WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
            )
            .bind(tenant.as_str())
            .bind(before)
            .bind(limit)
            .fetch_all(&mut *conn)
            .await
        }),
    }?;
    rows.into_iter().map(Row::into_entry).collect()
}

/// The rotations that have not ended, oldest first.
pub async fn list_open(tx: &mut Tx, tenant: &TenantId, limit: i64) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<Row> = on!(tx, "list open rotations", |conn| {
        sqlx::query_as(
            "SELECT id, secret_id, status, detail, started_at, ended_at FROM rotation
             WHERE tenant_id = $1 AND ended_at IS NULL ORDER BY started_at LIMIT $2",
        )
        .bind(tenant.as_str())
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(Row::into_entry).collect()
}
