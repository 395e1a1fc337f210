//! Notices: what is told of an event. What each channel has of it stands in `send`.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::store::{
    StoreError, Tx,
    codec::{Reader, at, json, us},
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    model::{EventId, NoticeId, TenantId},
};

/// A notice.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Its id; receivers see it, and it stays over retries.
    pub id: NoticeId,
    /// The event that it tells.
    pub event: EventId,
    /// What the event is about: an id.
    pub subject: String,
    /// What happened, such as `expiry.warning`.
    pub kind: String,
    /// `expiry`, `rotation`, `daemon`, `digest`, `heartbeat` or `test`.
    pub class: String,
    /// 0 for information, 1 for a warning, 2 for an error, 3 for what is critical.
    pub severity: i64,
    /// `open` or `resolved`.
    pub state: String,
    /// What notices of one matter have in common.
    pub thread: String,
    /// What is told, without the id.
    pub message: Value,
    /// Why nobody is told, or nothing.
    pub muted: String,
    /// The moment that it is about: tries end before it.
    pub deadline_at: Option<DateTime<Utc>>,
    /// When it is told to further channels unless somebody acknowledges it.
    pub escalate_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When somebody acknowledged it.
    pub acked_at: Option<DateTime<Utc>>,
    /// Who, or nothing.
    pub acked_by: String,
    /// Why, or nothing.
    pub ack_reason: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    event_id: String,
    subject: String,
    kind: String,
    class: String,
    severity: i64,
    state: String,
    thread: String,
    message: String,
    muted: String,
    deadline_at: Option<i64>,
    escalate_at: Option<i64>,
    created_at: i64,
    acked_at: Option<i64>,
    acked_by: String,
    ack_reason: String,
}

impl Row {
    fn into_notice(self) -> Result<Notice, StoreError> {
        let reader = Reader { table: "notice", row: &self.id };
        Ok(Notice {
            id: reader.id("id", NoticeId::parse, &self.id)?,
            event: reader.id("event_id", EventId::parse, &self.event_id)?,
            message: reader.json("message", &self.message)?,
            subject: self.subject,
            kind: self.kind,
            class: self.class,
            severity: self.severity,
            state: self.state,
            thread: self.thread,
            muted: self.muted,
            deadline_at: at(self.deadline_at),
            escalate_at: at(self.escalate_at),
            created_at: from_micros(self.created_at),
            acked_at: at(self.acked_at),
            acked_by: self.acked_by,
            ack_reason: self.ack_reason,
        })
    }
}

/// Inserts a notice; tells whether its event had none.
pub async fn insert(tx: &mut Tx, tenant: &TenantId, notice: &Notice) -> Result<bool, StoreError> {
    let inserted = execute!(
        tx,
        "insert a notice",
        "INSERT INTO notice (id, tenant_id, event_id, subject, kind, class, severity, state, thread, message, muted,
             deadline_at, escalate_at, created_at, acked_at, acked_by, ack_reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, NULL, '', '')
         ON CONFLICT (event_id) DO NOTHING",
        notice.id.as_str(),
        tenant.as_str(),
        notice.event.as_str(),
        &notice.subject,
        &notice.kind,
        &notice.class,
        notice.severity,
        &notice.state,
        &notice.thread,
        json(&notice.message),
        &notice.muted,
        us(notice.deadline_at),
        us(notice.escalate_at),
        micros(notice.created_at),
    )?;
    Ok(inserted == 1)
}

/// Finds a notice.
pub async fn find(tx: &mut Tx, tenant: &TenantId, id: &NoticeId) -> Result<Option<Notice>, StoreError> {
    let row: Option<Row> = on!(tx, "find a notice", |conn| {
        sqlx::query_as(
            "SELECT id, event_id, subject, kind, class, severity, state, thread, message, muted, deadline_at,
                 escalate_at, created_at, acked_at, acked_by, ack_reason
             FROM notice WHERE id = $1 AND tenant_id = $2",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(Row::into_notice).transpose()
}

/// Finds the notice of an event.
pub async fn find_of_event(tx: &mut Tx, tenant: &TenantId, event: &EventId) -> Result<Option<Notice>, StoreError> {
    let row: Option<Row> = on!(tx, "find the notice of an event", |conn| {
        sqlx::query_as(
            "SELECT id, event_id, subject, kind, class, severity, state, thread, message, muted, deadline_at,
                 escalate_at, created_at, acked_at, acked_by, ack_reason
             FROM notice WHERE event_id = $1 AND tenant_id = $2",
        )
        .bind(event.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(Row::into_notice).transpose()
}

/// Notices before a cursor (an id; the newest first), all or those with a dead send.
pub async fn list_newest(
    tx: &mut Tx,
    tenant: &TenantId,
    before: &str,
    only_failed: bool,
    limit: i64,
) -> Result<Vec<Notice>, StoreError> {
    let rows: Vec<Row> = on!(tx, "list notices", |conn| {
        sqlx::query_as(
            "SELECT id, event_id, subject, kind, class, severity, state, thread, message, muted, deadline_at,
                 escalate_at, created_at, acked_at, acked_by, ack_reason
             FROM notice WHERE tenant_id = $1 AND ($2 = '' OR id < $2)
                 AND ($3 = 0 OR id IN (SELECT notice_id FROM send WHERE tenant_id = $1 AND state = 'dead'))
             ORDER BY id DESC LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(before)
        .bind(i64::from(only_failed))
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(Row::into_notice).collect()
}

/// Whether the last notice of a thread that was sent to anybody is open.
pub async fn is_thread_open(tx: &mut Tx, tenant: &TenantId, thread: &str) -> Result<bool, StoreError> {
    let state: Option<String> = on!(tx, "look for the last notice of a thread", |conn| {
        sqlx::query_scalar(
            "SELECT state FROM notice WHERE thread = $1 AND tenant_id = $2 AND muted = '' ORDER BY id DESC LIMIT 1",
        )
        .bind(thread)
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    Ok(state.is_some_and(|state| state == "open"))
}

/// Acknowledges a notice, if nobody has; tells whether it was open to that.
pub async fn acknowledge_if_open(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &NoticeId,
    actor: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let changed = execute!(
        tx,
        "acknowledge a notice",
        "UPDATE notice SET acked_at = $3, acked_by = $4, ack_reason = $5, escalate_at = NULL
         WHERE id = $1 AND tenant_id = $2 AND acked_at IS NULL",
        id.as_str(),
        tenant.as_str(),
        micros(now),
        actor,
        reason,
    )?;
    Ok(changed == 1)
}

/// Forgets that a notice is to be told to further channels; tells whether it was.
pub async fn end_escalation(tx: &mut Tx, tenant: &TenantId, id: &NoticeId) -> Result<bool, StoreError> {
    let changed = execute!(
        tx,
        "end an escalation",
        "UPDATE notice SET escalate_at = NULL WHERE id = $1 AND tenant_id = $2 AND escalate_at IS NOT NULL",
        id.as_str(),
        tenant.as_str(),
    )?;
    Ok(changed == 1)
}

/// Forgets notices that ended long ago, with their sends.
pub async fn prune(tx: &mut Tx, before: DateTime<Utc>) -> Result<u64, StoreError> {
    execute!(
        tx,
        "forget old sends",
        "DELETE FROM send WHERE ended_at IS NOT NULL AND ended_at < $1 AND state <> 'dead'",
        micros(before),
    )?;
    execute!(
        tx,
        "forget old notices",
        "DELETE FROM notice WHERE created_at < $1 AND escalate_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM send WHERE send.notice_id = notice.id)",
        micros(before),
    )
}
