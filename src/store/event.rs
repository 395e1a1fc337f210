//! The one event table: the journal of rotations, the source of notices, the audit of changes. No secret value.
//!
//! An event is written in the transaction of what it tells, under the lock of its subject's agenda row, which makes
//! the numbering gapless. It names the rows of the write with revision and MAC.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    StoreError, Tx,
    codec::{Reader, json},
    integrity::{MacRow, note},
    notices::news,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    keyring::Keyring,
    model::{Actor, EventId, RotationId, TargetId, TenantId, is_news},
};

/// A row of the write that an event tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The row's table.
    pub table: String,
    /// The row's id.
    pub row: String,
    /// Its revision after the write.
    pub revision: i64,
    /// Its MAC after the write, in base 64.
    pub mac: String,
}

impl Written {
    pub(super) fn of<R: MacRow>(row: &R) -> Self {
        Self {
            table: R::TABLE.to_owned(),
            row: row.row_id().to_owned(),
            revision: row.revision(),
            mac: STANDARD.encode(row.mac()),
        }
    }

    pub(super) fn mac_bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.mac).unwrap_or_default()
    }
}

/// An event to be written.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Its tenant.
    pub tenant: TenantId,
    /// What it is about: an id.
    pub subject: String,
    /// The rotation whose journal it belongs to.
    pub rotation: Option<RotationId>,
    /// What happened, such as `secret.created`.
    pub kind: String,
    /// The facts.
    pub facts: Value,
    /// The rows of the write.
    pub written: Vec<Written>,
    /// Who acted.
    pub actor: Actor,
    /// Why, in the actor's words.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A written event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Its id; ids sort by birth.
    pub id: EventId,
    /// What it is about.
    pub subject: String,
    /// Its number among the events of its subject: 1, 2, 3 without holes.
    pub seq: i64,
    /// The rotation whose journal it belongs to.
    pub rotation: Option<RotationId>,
    /// What happened.
    pub kind: String,
    /// The facts.
    pub facts: Value,
    /// Who acted.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The rows of the write.
    pub written: Vec<Written>,
}

super::integrity::mac_row!(EventRow in "event" by id, |_| 1; {
    subject: String,
    seq: i64,
    id: String,
    tenant_id: String,
    rotation_id: Option<String>,
    kind: String,
    facts: String,
    written: String,
    actor: String,
    reason: String,
    at: i64,
});

impl EventRow {
    fn into_event(self, keyring: &Keyring) -> Result<Event, StoreError> {
        self.check_mac(keyring)?;
        let reader = Reader { table: "event", row: &self.id };
        Ok(Event {
            id: reader.id("id", EventId::parse, &self.id)?,
            seq: self.seq,
            rotation: reader.optional("rotation_id", RotationId::parse, self.rotation_id.as_deref())?,
            facts: reader.json("facts", &self.facts)?,
            written: reader.json("written", &self.written)?,
            at: from_micros(self.at),
            subject: self.subject,
            kind: self.kind,
            actor: Actor::from_stored(self.actor),
            reason: self.reason,
        })
    }
}

/// How often an event is numbered anew, when others appended to its subject at the same time.
const NUMBERED: u32 = 100;

/// Appends an event. The caller holds the lock of the subject's agenda row, where it has one; where it has none, the
/// one who comes second waits for the first one's commit and takes the next number.
pub async fn append(tx: &mut Tx, keyring: &Keyring, new: NewEvent) -> Result<i64, StoreError> {
    append_after(tx, keyring, new, None).await
}

/// As [`append`], where the number of the subject's last event is believed to be known. An answer that is not the
/// next number says that others have appended since.
pub async fn append_after(
    tx: &mut Tx,
    keyring: &Keyring,
    new: NewEvent,
    after: Option<i64>,
) -> Result<i64, StoreError> {
    note(tx, &new.written).await?;
    let mut believed = after.and_then(|last| last.checked_add(1));
    let mut row = EventRow {
        subject: new.subject,
        seq: 0,
        id: new.id.as_str().to_owned(),
        tenant_id: new.tenant.as_str().to_owned(),
        rotation_id: new.rotation.map(String::from),
        kind: new.kind,
        facts: json(&new.facts),
        written: json(&new.written),
        actor: new.actor.as_str().to_owned(),
        reason: new.reason,
        at: micros(new.at),
        mac: Vec::new(),
        noted: None,
    };
    for _ in 0..NUMBERED {
        row.seq = match believed.take() {
            Some(next) => next,
            None => last_seq(tx, &row.subject).await?.saturating_add(1),
        };
        row.mac = row.make_mac(keyring)?;
        if insert(tx, &row).await? {
            if is_news(&row.kind) {
                news::insert_all(tx, &row.tenant_id, &row.id).await?;
                tx.has_news = true;
            }
            return Ok(row.seq);
        }
    }
    Err(StoreError::Stale { what: "journal" })
}

/// The number of a subject's last event; 0 where it has none.
pub async fn last_seq(tx: &mut Tx, subject: &str) -> Result<i64, StoreError> {
    on!(tx, "number an event", |conn| {
        sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM event WHERE subject = $1")
            .bind(subject)
            .fetch_one(&mut *conn)
            .await
    })
}

/// The number of a subject's last event, and the revision of its target: what was read before stands while neither
/// has grown.
pub async fn last_seq_and_target(
    tx: &mut Tx,
    subject: &str,
    target: Option<&TargetId>,
) -> Result<(i64, Option<i64>), StoreError> {
    on!(tx, "look for changes", |conn| {
        sqlx::query_as(
            "SELECT (SELECT COALESCE(MAX(seq), 0) FROM event WHERE subject = $1),
                 (SELECT revision FROM target WHERE id = $2)",
        )
        .bind(subject)
        .bind(target.map(TargetId::as_str))
        .fetch_one(&mut *conn)
        .await
    })
}

/// Tells whether the number was free.
async fn insert(tx: &mut Tx, row: &EventRow) -> Result<bool, StoreError> {
    let inserted = execute!(
        tx,
        "append an event",
        "INSERT INTO event (subject, seq, id, tenant_id, rotation_id, kind, facts, written, actor, reason, at, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (subject, seq) DO NOTHING",
        &row.subject,
        row.seq,
        &row.id,
        &row.tenant_id,
        &row.rotation_id,
        &row.kind,
        &row.facts,
        &row.written,
        &row.actor,
        &row.reason,
        row.at,
        &row.mac,
    )?;
    Ok(inserted == 1)
}

fn into_events(rows: Vec<EventRow>, keyring: &Keyring) -> Result<Vec<Event>, StoreError> {
    rows.into_iter().map(|row| row.into_event(keyring)).collect()
}

/// Finds an event.
pub async fn find(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    id: &EventId,
) -> Result<Option<Event>, StoreError> {
    let row: Option<EventRow> = on!(tx, "find an event", |conn| {
        sqlx::query_as(
            "SELECT subject, seq, id, tenant_id, rotation_id, kind, facts, written, actor, reason, at, mac
             FROM event WHERE id = $1 AND tenant_id = $2",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(|row| row.into_event(keyring)).transpose()
}

/// The journal of a rotation, oldest first.
pub async fn list_journal(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    rotation: &RotationId,
) -> Result<Vec<Event>, StoreError> {
    let rows: Vec<EventRow> = on!(tx, "read a journal", |conn| {
        sqlx::query_as(
            "SELECT subject, seq, id, tenant_id, rotation_id, kind, facts, written, actor, reason, at, mac
             FROM event WHERE rotation_id = $1 AND tenant_id = $2 ORDER BY seq",
        )
        .bind(rotation.as_str())
        .bind(tenant.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    into_events(rows, keyring)
}

/// The newest events of a subject, newest first.
pub async fn list_of_subject(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    subject: &str,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let rows: Vec<EventRow> = on!(tx, "read the events of a subject", |conn| {
        sqlx::query_as(
            "SELECT subject, seq, id, tenant_id, rotation_id, kind, facts, written, actor, reason, at, mac
             FROM event WHERE subject = $1 AND tenant_id = $2 ORDER BY seq DESC LIMIT $3",
        )
        .bind(subject)
        .bind(tenant.as_str())
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    into_events(rows, keyring)
}

/// Events of a tenant after a cursor (an event's id; empty for the beginning), oldest first.
pub async fn list_after(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    after: &str,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let rows: Vec<EventRow> = on!(tx, "read events", |conn| {
        sqlx::query_as(
            "SELECT subject, seq, id, tenant_id, rotation_id, kind, facts, written, actor, reason, at, mac
             FROM event WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(tenant.as_str())
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    into_events(rows, keyring)
}

/// The newest events of a tenant, newest first.
pub async fn list_newest(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let rows: Vec<EventRow> = on!(tx, "read the newest events", |conn| {
        sqlx::query_as(
            "SELECT subject, seq, id, tenant_id, rotation_id, kind, facts, written, actor, reason, at, mac
             FROM event WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2",
        )
        .bind(tenant.as_str())
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    into_events(rows, keyring)
}

/// Notes the revisions of rows whose change needs no event of its own: it tells nothing that a person would ask for.
pub async fn note_without_event(tx: &mut Tx, written: &[Written]) -> Result<(), StoreError> {
    note(tx, written).await
}
