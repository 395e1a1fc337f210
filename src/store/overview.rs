//! Counts for the status page and the gauges.

use super::{StoreError, Tx, tx::on};
use crate::model::{TenantId, VersionId};

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Secrets that are not deleted.
    pub secrets: i64,
    /// Those of them that have a target.
    pub managed: i64,
    /// Targets.
    pub targets: i64,
    /// Alerts that are open.
    pub alerts: i64,
}

/// Counts what a tenant has. Walks the tenant's secrets.
pub async fn count(tx: &mut Tx, tenant: &TenantId) -> Result<Counts, StoreError> {
    let (secrets, managed, targets, alerts): (i64, i64, i64, i64) = on!(tx, "count what there is", |conn| {
        sqlx::query_as(
            "SELECT
                 (SELECT COUNT(*) FROM secret WHERE tenant_id = $1 AND deleted_at IS NULL),
                 (SELECT COUNT(*) FROM secret WHERE tenant_id = $1 AND deleted_at IS NULL AND target_id IS NOT NULL),
                 (SELECT COUNT(*) FROM target WHERE tenant_id = $1),
                 (SELECT COUNT(*) FROM alert WHERE tenant_id = $1 AND closed_at IS NULL)",
        )
        .bind(tenant.as_str())
        .fetch_one(&mut *conn)
        .await
    })?;
    Ok(Counts { secrets, managed, targets, alerts })
}

/// Counts the events of a tenant.
pub async fn count_events(tx: &mut Tx, tenant: &TenantId) -> Result<u64, StoreError> {
    let count: i64 = on!(tx, "count events", |conn| {
        sqlx::query_scalar("SELECT COUNT(*) FROM event WHERE tenant_id = $1")
            .bind(tenant.as_str())
            .fetch_one(&mut *conn)
            .await
    })?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The versions of a tenant that have a value, after a cursor (a version's id; empty for the beginning).
pub async fn list_sealed(
    tx: &mut Tx,
    tenant: &TenantId,
    after: &str,
    limit: i64,
) -> Result<Vec<VersionId>, StoreError> {
    let ids: Vec<String> = on!(tx, "list sealed versions", |conn| {
        sqlx::query_scalar(
            "SELECT id FROM version WHERE tenant_id = $1 AND id > $2 AND token IS NOT NULL ORDER BY id LIMIT $3",
        )
        .bind(tenant.as_str())
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    let read = |id: &String| super::codec::Reader { table: "version", row: id }.id("id", VersionId::parse, id);
    ids.iter().map(read).collect()
}
