//! Counts for the status page and the gauges, and when things end, for the gauges: no row's MAC is checked for them.

use chrono::{DateTime, Utc};

use super::{StoreError, Tx, tx::on};
use crate::{
    clock::from_micros,
    model::{TenantId, VersionId},
};

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

/// The most of a kind that are told.
const MOST_DATES: i64 = 10_000;

/// Times by name.
pub type Dates = Vec<(String, DateTime<Utc>)>;

fn dates(rows: Vec<(String, i64)>) -> Dates {
    rows.into_iter().map(|(name, at)| (name, from_micros(at))).collect()
}

/// When the current certificates of secrets end.
pub async fn list_ends(tx: &mut Tx, tenant: &TenantId) -> Result<Dates, StoreError> {
    let rows = on!(tx, "list when certificates end", |conn| {
        sqlx::query_as(
            "SELECT secret.name, MAX(certificate.not_after) AS ends
             FROM secret
             JOIN version ON version.secret_id = secret.id AND version.stage = 'current'
             JOIN certificate ON certificate.secret_id = secret.id AND certificate.serial = version.identity
             WHERE secret.tenant_id = $1 AND secret.kind = 'certificate' AND secret.deleted_at IS NULL
             GROUP BY secret.name ORDER BY ends, secret.name LIMIT $2",
        )
        .bind(tenant.as_str())
        .bind(MOST_DATES)
        .fetch_all(&mut *conn)
        .await
    })?;
    Ok(dates(rows))
}

/// When certificates are renewed next.
pub async fn list_renewals(tx: &mut Tx, tenant: &TenantId) -> Result<Dates, StoreError> {
    let rows = on!(tx, "list when certificates are renewed", |conn| {
        sqlx::query_as(
            "SELECT secret.name, schedule.next_due_at
             FROM secret JOIN schedule ON schedule.secret_id = secret.id
             WHERE secret.tenant_id = $1 AND secret.kind = 'certificate' AND secret.deleted_at IS NULL
                 AND schedule.paused_at IS NULL AND schedule.next_due_at IS NOT NULL
             ORDER BY schedule.next_due_at, secret.name LIMIT $2",
        )
        .bind(tenant.as_str())
        .bind(MOST_DATES)
        .fetch_all(&mut *conn)
        .await
    })?;
    Ok(dates(rows))
}

/// When what is tracked expires.
pub async fn list_tracked(tx: &mut Tx, tenant: &TenantId) -> Result<Dates, StoreError> {
    let rows = on!(tx, "list when tracked things expire", |conn| {
        sqlx::query_as(
            "SELECT name, expires_at FROM secret
             WHERE tenant_id = $1 AND kind = 'tracked' AND deleted_at IS NULL AND expires_at IS NOT NULL
             ORDER BY expires_at, name LIMIT $2",
        )
        .bind(tenant.as_str())
        .bind(MOST_DATES)
        .fetch_all(&mut *conn)
        .await
    })?;
    Ok(dates(rows))
}
