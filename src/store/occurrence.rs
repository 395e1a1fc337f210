//! Occurrences: planned fires and requests, open until they ended (I6).

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    codec::{Reader, at, us},
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    model::{
        Actor, Occurrence, OccurrenceEnd, OccurrenceId, OccurrenceOrigin, RotationId, SecretId, TenantId, VersionId,
    },
};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    tenant_id: String,
    secret_id: String,
    origin: String,
    state: String,
    first_at: i64,
    last_at: i64,
    fires: i64,
    attempts: i64,
    not_before: Option<i64>,
    actor: String,
    reason: String,
    rotation_id: Option<String>,
    candidate_from: Option<String>,
    why: String,
    created_at: i64,
    ended_at: Option<i64>,
}

const OPEN: &str = "open";

impl Row {
    fn into_occurrence(self) -> Result<Occurrence, StoreError> {
        let reader = Reader { table: "occurrence", row: &self.id };
        let origins = [OccurrenceOrigin::Planned, OccurrenceOrigin::Requested];
        let ends = [OccurrenceEnd::Done, OccurrenceEnd::Coalesced, OccurrenceEnd::Missed, OccurrenceEnd::Failed];
        let end = match self.state.as_str() {
            OPEN => None,
            text => Some(reader.word("state", ends.into_iter().find(|end| end.as_str() == text), text)?),
        };
        let origin = origins.into_iter().find(|origin| origin.as_str() == self.origin);
        Ok(Occurrence {
            id: reader.id("id", OccurrenceId::parse, &self.id)?,
            tenant: reader.id("tenant_id", TenantId::parse, &self.tenant_id)?,
            secret: reader.id("secret_id", SecretId::parse, &self.secret_id)?,
            origin: reader.word("origin", origin, &self.origin)?,
            end,
            rotation: reader.optional("rotation_id", RotationId::parse, self.rotation_id.as_deref())?,
            candidate_from: reader.optional("candidate_from", VersionId::parse, self.candidate_from.as_deref())?,
            first_at: from_micros(self.first_at),
            last_at: from_micros(self.last_at),
            fires: self.fires,
            attempts: self.attempts,
            not_before: at(self.not_before),
            actor: Actor::from_stored(self.actor),
            reason: self.reason,
            why: self.why,
            created_at: from_micros(self.created_at),
            ended_at: at(self.ended_at),
        })
    }
}

/// Inserts an occurrence, open or already ended.
pub async fn insert(tx: &mut Tx, occurrence: &Occurrence) -> Result<(), StoreError> {
    execute!(
        tx,
        "insert an occurrence",
        "INSERT INTO occurrence (id, tenant_id, secret_id, origin, state, first_at, last_at, fires, attempts,
             not_before, actor, reason, rotation_id, candidate_from, why, created_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        occurrence.id.as_str(),
        occurrence.tenant.as_str(),
        occurrence.secret.as_str(),
        occurrence.origin.as_str(),
        occurrence.end.map_or(OPEN, OccurrenceEnd::as_str),
        micros(occurrence.first_at),
        micros(occurrence.last_at),
        occurrence.fires,
        occurrence.attempts,
        us(occurrence.not_before),
        occurrence.actor.as_str(),
        &occurrence.reason,
        occurrence.rotation.as_ref().map(RotationId::as_str),
        occurrence.candidate_from.as_ref().map(VersionId::as_str),
        &occurrence.why,
        micros(occurrence.created_at),
        us(occurrence.ended_at),
    )?;
    Ok(())
}

/// Writes over the occurrence: its end, its attempts, its rotation.
pub async fn update(tx: &mut Tx, occurrence: &Occurrence) -> Result<(), StoreError> {
    execute!(
        tx,
        "change an occurrence",
        "UPDATE occurrence SET state = $3, last_at = $4, fires = $5, attempts = $6, not_before = $7,
             rotation_id = $8, why = $9, ended_at = $10
         WHERE id = $1 AND tenant_id = $2",
        occurrence.id.as_str(),
        occurrence.tenant.as_str(),
        occurrence.end.map_or(OPEN, OccurrenceEnd::as_str),
        micros(occurrence.last_at),
        occurrence.fires,
        occurrence.attempts,
        us(occurrence.not_before),
        occurrence.rotation.as_ref().map(RotationId::as_str),
        &occurrence.why,
        us(occurrence.ended_at),
    )?;
    Ok(())
}

/// The open occurrences of a secret, oldest first.
pub async fn list_open(tx: &mut Tx, tenant: &TenantId, secret: &SecretId) -> Result<Vec<Occurrence>, StoreError> {
    let rows: Vec<Row> = on!(tx, "list open occurrences", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, secret_id, origin, state, first_at, last_at, fires, attempts, not_before, actor,
                 reason, rotation_id, candidate_from, why, created_at, ended_at
             FROM occurrence WHERE secret_id = $1 AND tenant_id = $2 AND ended_at IS NULL ORDER BY id",
        )
        .bind(secret.as_str())
        .bind(tenant.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(Row::into_occurrence).collect()
}

/// The newest occurrences of a secret, newest first.
pub async fn list(
    tx: &mut Tx,
    tenant: &TenantId,
    secret: &SecretId,
    limit: i64,
) -> Result<Vec<Occurrence>, StoreError> {
    let rows: Vec<Row> = on!(tx, "list occurrences", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, secret_id, origin, state, first_at, last_at, fires, attempts, not_before, actor,
                 reason, rotation_id, candidate_from, why, created_at, ended_at
             FROM occurrence WHERE secret_id = $1 AND tenant_id = $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(secret.as_str())
        .bind(tenant.as_str())
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(Row::into_occurrence).collect()
}

/// Finds an occurrence by its id.
pub async fn find(tx: &mut Tx, tenant: &TenantId, id: &OccurrenceId) -> Result<Option<Occurrence>, StoreError> {
    let row: Option<Row> = on!(tx, "find an occurrence", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, secret_id, origin, state, first_at, last_at, fires, attempts, not_before, actor,
                 reason, rotation_id, candidate_from, why, created_at, ended_at
             FROM occurrence WHERE id = $1 AND tenant_id = $2",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(Row::into_occurrence).transpose()
}

/// How many occurrences ended in which way since a time, for the status page.
pub async fn count_ends(
    tx: &mut Tx,
    tenant: &TenantId,
    since: DateTime<Utc>,
) -> Result<Vec<(String, i64)>, StoreError> {
    on!(tx, "count occurrences", |conn| {
        sqlx::query_as(
            "SELECT state, COUNT(*) FROM occurrence WHERE tenant_id = $1 AND created_at >= $2 GROUP BY state
             ORDER BY state",
        )
        .bind(tenant.as_str())
        .bind(micros(since))
        .fetch_all(&mut *conn)
        .await
    })
}
