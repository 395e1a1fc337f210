//! Tenants and the wrapped roots of their keys.

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    codec::Reader,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    keyring::{MasterId, WrappedRoot},
    model::{KeyId, TenantId},
};

/// The name of the first tenant.
pub const ROOT: &str = "root";

/// Inserts a tenant.
pub async fn insert(tx: &mut Tx, id: &TenantId, name: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    let inserted = execute!(
        tx,
        "insert a tenant",
        "INSERT INTO tenant (id, name, created_at, revision, mac) VALUES ($1, $2, $3, 1, $4)
         ON CONFLICT (name) DO NOTHING",
        id.as_str(),
        name,
        micros(now),
        Vec::<u8>::new(),
    )?;
    if inserted == 1 { Ok(()) } else { Err(StoreError::Exists { what: "tenant", name: name.to_owned() }) }
}

/// Finds a tenant by its name.
pub async fn find_by_name(tx: &mut Tx, name: &str) -> Result<Option<TenantId>, StoreError> {
    let row: Option<String> = on!(tx, "find a tenant", |conn| {
        sqlx::query_scalar("SELECT id FROM tenant WHERE name = $1").bind(name).fetch_optional(&mut *conn).await
    })?;
    row.map(|id| Reader { table: "tenant", row: &id }.id("id", TenantId::parse, &id)).transpose()
}

/// Inserts a wrapped root, as the tenant's next generation.
pub async fn insert_root(tx: &mut Tx, root: &WrappedRoot) -> Result<(), StoreError> {
    execute!(
        tx,
        "insert a wrapped root",
        "INSERT INTO tenant_root (id, tenant_id, generation, master_id, token, created_at)
         SELECT $1, $2, COALESCE(MAX(generation), 0) + 1, $3, $4, $5 FROM tenant_root WHERE tenant_id = $2",
        root.key_id.as_str(),
        root.tenant.as_str(),
        root.master_id.as_str(),
        root.token.as_slice(),
        micros(root.created_at),
    )?;
    Ok(())
}

/// Writes a root that was wrapped anew under another master key.
pub async fn update_root(tx: &mut Tx, root: &WrappedRoot) -> Result<(), StoreError> {
    execute!(
        tx,
        "write a re-wrapped root",
        "UPDATE tenant_root SET master_id = $2, token = $3 WHERE id = $1",
        root.key_id.as_str(),
        root.master_id.as_str(),
        root.token.as_slice(),
    )?;
    Ok(())
}

/// Every wrapped root of every tenant, oldest first.
pub async fn list_roots(tx: &mut Tx) -> Result<Vec<WrappedRoot>, StoreError> {
    let rows: Vec<(String, String, String, Vec<u8>, i64)> = on!(tx, "list wrapped roots", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, master_id, token, created_at FROM tenant_root ORDER BY tenant_id, generation",
        )
        .fetch_all(&mut *conn)
        .await
    })?;
    let mut roots = Vec::with_capacity(rows.len());
    for (id, tenant, master_id, token, created_at) in rows {
        let reader = Reader { table: "tenant_root", row: &id };
        roots.push(WrappedRoot {
            tenant: reader.id("tenant_id", TenantId::parse, &tenant)?,
            key_id: reader.id("id", KeyId::parse, &id)?,
            master_id: reader.word("master_id", MasterId::parse(&master_id), &master_id)?,
            token,
            created_at: from_micros(created_at),
        });
    }
    Ok(roots)
}

/// Deletes a root that seals nothing any more.
pub async fn delete_root(tx: &mut Tx, id: &KeyId) -> Result<(), StoreError> {
    execute!(tx, "delete a root", "DELETE FROM tenant_root WHERE id = $1", id.as_str()).map(|_| ())
}
