//! Alerts: what needs a person, open until it is over. At most one open alert per subject and kind.

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    codec::at,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    model::{EventId, TenantId},
};

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What it is about: an id.
    pub subject: String,
    /// What is wrong: `stuck`, `rotation-failed`, `drifted`, `target-unreachable`, `delivery-failing`.
    pub kind: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// What to do.
    pub hint: String,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Until when.
    pub closed_at: Option<DateTime<Utc>>,
}

/// Opens an alert unless one of its kind is open; tells whether it is new. An open one keeps its beginning and gets
/// the newer sentence.
pub async fn open(tx: &mut Tx, tenant: &TenantId, id: &EventId, alert: &Alert) -> Result<bool, StoreError> {
    let updated = execute!(
        tx,
        "renew an alert",
        "UPDATE alert SET sentence = $4, hint = $5
         WHERE subject = $1 AND kind = $2 AND tenant_id = $3 AND closed_at IS NULL",
        &alert.subject,
        &alert.kind,
        tenant.as_str(),
        &alert.sentence,
        &alert.hint,
    )?;
    if updated > 0 {
        return Ok(false);
    }
    let inserted = execute!(
        tx,
        "open an alert",
        "INSERT INTO alert (id, tenant_id, subject, kind, sentence, hint, opened_at, closed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)
         ON CONFLICT (subject, kind) WHERE closed_at IS NULL DO NOTHING",
        id.as_str(),
        tenant.as_str(),
        &alert.subject,
        &alert.kind,
        &alert.sentence,
        &alert.hint,
        micros(alert.opened_at),
    )?;
    Ok(inserted == 1)
}

/// Closes the open alerts of these kinds; answers the kinds of which there was one.
pub async fn close(
    tx: &mut Tx,
    tenant: &TenantId,
    subject: &str,
    kinds: &[&str],
    now: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    // Kinds are words without commas and wildcards.
    let kinds = format!(",{},", kinds.join(","));
    on!(tx, "close alerts", |conn| {
        sqlx::query_scalar(
            "UPDATE alert SET closed_at = $4
             WHERE subject = $1 AND tenant_id = $3 AND closed_at IS NULL AND $2 LIKE '%,' || kind || ',%'
             RETURNING kind",
        )
        .bind(subject)
        .bind(&kinds)
        .bind(tenant.as_str())
        .bind(micros(now))
        .fetch_all(&mut *conn)
        .await
    })
}

/// Closes every open alert of a subject; tells how many there were.
pub async fn close_all(tx: &mut Tx, tenant: &TenantId, subject: &str, now: DateTime<Utc>) -> Result<u64, StoreError> {
    execute!(
        tx,
        "close the alerts of a subject",
        "UPDATE alert SET closed_at = $3 WHERE subject = $1 AND tenant_id = $2 AND closed_at IS NULL",
        subject,
        tenant.as_str(),
        micros(now),
    )
}

/// What has an open alert of a kind, by id.
pub async fn list_subjects(tx: &mut Tx, tenant: &TenantId, kind: &str) -> Result<Vec<String>, StoreError> {
    on!(tx, "list what has an alert", |conn| {
        sqlx::query_scalar("SELECT subject FROM alert WHERE tenant_id = $1 AND kind = $2 AND closed_at IS NULL")
            .bind(tenant.as_str())
            .bind(kind)
            .fetch_all(&mut *conn)
            .await
    })
}

/// The open alerts of a tenant, oldest first; of one subject if it is given.
pub async fn list_open(tx: &mut Tx, tenant: &TenantId, subject: Option<&str>) -> Result<Vec<Alert>, StoreError> {
    type Row = (String, String, String, String, i64, Option<i64>);
    let rows: Vec<Row> = on!(tx, "list open alerts", |conn| {
        sqlx::query_as(
            "SELECT subject, kind, sentence, hint, opened_at, closed_at FROM alert
             WHERE tenant_id = $1 AND closed_at IS NULL AND (CAST($2 AS TEXT) IS NULL OR subject = $2)
             ORDER BY opened_at, id LIMIT 1000",
        )
        .bind(tenant.as_str())
        .bind(subject)
        .fetch_all(&mut *conn)
        .await
    })?;
    Ok(rows
        .into_iter()
        .map(|(subject, kind, sentence, hint, opened_at, closed_at)| Alert {
            subject,
            kind,
            sentence,
            hint,
            opened_at: from_micros(opened_at),
            closed_at: at(closed_at),
        })
        .collect())
}
