//! Counts for the status page and the gauges.

use super::{StoreError, Tx, tx::on};
use crate::model::TenantId;

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
