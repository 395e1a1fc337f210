//! Sends: one channel's part of a notice, with a state of its own. An open send has a row on the agenda, whose lane is
//! the channel.
//!
//! States: `waiting` (made by the dispatcher; left by an answer), `sent`, `dead` (given up; a person may send it again),
//! `superseded` (a later notice of the same matter says more), `grouped` (told in a digest), `dropped` (its channel
//! was disabled or deleted).

use chrono::{DateTime, Utc};

use crate::store::{
    StoreError, Tx,
    codec::{Reader, at, us},
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    model::{DocumentId, NoticeId, SendId, TenantId},
};

/// One channel's part of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// Its id, and its subject on the agenda.
    pub id: SendId,
    /// The notice.
    pub notice: NoticeId,
    /// The channel.
    pub channel: DocumentId,
    /// The notice's thread.
    pub thread: String,
    /// `waiting`, `sent`, `dead`, `superseded`, `grouped` or `dropped`.
    pub state: String,
    /// Tries so far.
    pub attempts: i64,
    /// Not before this time again.
    pub next_at: Option<DateTime<Utc>>,
    /// Tries end before this time.
    pub deadline_at: Option<DateTime<Utc>>,
    /// The code of the last failure, or nothing.
    pub code: String,
    /// What the receiver said last.
    pub answer: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    notice_id: String,
    channel_id: String,
    thread: String,
    state: String,
    attempts: i64,
    next_at: Option<i64>,
    deadline_at: Option<i64>,
    code: String,
    answer: String,
    created_at: i64,
    ended_at: Option<i64>,
}

impl Row {
    fn into_send(self) -> Result<Send, StoreError> {
        let reader = Reader { table: "send", row: &self.id };
        Ok(Send {
            id: reader.id("id", SendId::parse, &self.id)?,
            notice: reader.id("notice_id", NoticeId::parse, &self.notice_id)?,
            channel: reader.id("channel_id", DocumentId::parse, &self.channel_id)?,
            thread: self.thread,
            state: self.state,
            attempts: self.attempts,
            next_at: at(self.next_at),
            deadline_at: at(self.deadline_at),
            code: self.code,
            answer: self.answer,
            created_at: from_micros(self.created_at),
            ended_at: at(self.ended_at),
        })
    }
}

/// Inserts a send; tells whether its channel had none of this notice.
pub async fn insert(tx: &mut Tx, tenant: &TenantId, send: &Send) -> Result<bool, StoreError> {
    let inserted = execute!(
        tx,
        "insert a send",
        "INSERT INTO send (id, tenant_id, notice_id, channel_id, thread, state, attempts, next_at, deadline_at, code,
             answer, created_at, ended_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, NULL)
         ON CONFLICT (notice_id, channel_id) DO NOTHING",
        send.id.as_str(),
        tenant.as_str(),
        send.notice.as_str(),
        send.channel.as_str(),
        &send.thread,
        &send.state,
        send.attempts,
        us(send.next_at),
        us(send.deadline_at),
        &send.code,
        &send.answer,
        micros(send.created_at),
    )?;
    Ok(inserted == 1)
}

/// Writes how far a send is.
pub async fn update(tx: &mut Tx, tenant: &TenantId, send: &Send) -> Result<(), StoreError> {
    execute!(
        tx,
        "write how far a send is",
        "UPDATE send SET state = $3, attempts = $4, next_at = $5, code = $6, answer = $7, ended_at = $8
         WHERE id = $1 AND tenant_id = $2",
        send.id.as_str(),
        tenant.as_str(),
        &send.state,
        send.attempts,
        us(send.next_at),
        &send.code,
        &send.answer,
        us(send.ended_at),
    )
    .map(|_| ())
}

/// Finds a send.
pub async fn find(tx: &mut Tx, tenant: &TenantId, id: &SendId) -> Result<Option<Send>, StoreError> {
    let row: Option<Row> = on!(tx, "find a send", |conn| {
        sqlx::query_as(
            "SELECT id, notice_id, channel_id, thread, state, attempts, next_at, deadline_at, code, answer, created_at,
                 ended_at
             FROM send WHERE id = $1 AND tenant_id = $2",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(Row::into_send).transpose()
}

/// The sends of a notice, oldest first.
pub async fn list_of_notice(tx: &mut Tx, tenant: &TenantId, notice: &NoticeId) -> Result<Vec<Send>, StoreError> {
    let rows: Vec<Row> = on!(tx, "list the sends of a notice", |conn| {
        sqlx::query_as(
            "SELECT id, notice_id, channel_id, thread, state, attempts, next_at, deadline_at, code, answer, created_at,
                 ended_at
             FROM send WHERE notice_id = $1 AND tenant_id = $2 ORDER BY id",
        )
        .bind(notice.as_str())
        .bind(tenant.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(Row::into_send).collect()
}

/// The open sends of a channel, oldest first; of one thread if it is given.
pub async fn list_open(
    tx: &mut Tx,
    tenant: &TenantId,
    channel: &DocumentId,
    thread: Option<&str>,
    limit: i64,
) -> Result<Vec<Send>, StoreError> {
    let rows: Vec<Row> = on!(tx, "list the open sends of a channel", |conn| {
        sqlx::query_as(
            "SELECT id, notice_id, channel_id, thread, state, attempts, next_at, deadline_at, code, answer, created_at,
                 ended_at
             FROM send WHERE channel_id = $1 AND tenant_id = $2 AND ended_at IS NULL
                 AND (CAST($3 AS TEXT) IS NULL OR thread = $3)
             ORDER BY id LIMIT $4",
        )
        .bind(channel.as_str())
        .bind(tenant.as_str())
        .bind(thread)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(Row::into_send).collect()
}

/// The oldest send of a channel that is due and waits for no older one of its thread.
pub async fn find_first_due(
    tx: &mut Tx,
    tenant: &TenantId,
    channel: &DocumentId,
    now: DateTime<Utc>,
) -> Result<Option<SendId>, StoreError> {
    let found: Option<String> = on!(tx, "find the first due send of a channel", |conn| {
        sqlx::query_scalar(
            "SELECT id FROM send WHERE channel_id = $1 AND tenant_id = $2 AND ended_at IS NULL AND next_at <= $3
                 AND NOT EXISTS (SELECT 1 FROM send AS older WHERE older.channel_id = send.channel_id
                     AND older.thread = send.thread AND older.ended_at IS NULL AND older.id < send.id)
             ORDER BY id LIMIT 1",
        )
        .bind(channel.as_str())
        .bind(tenant.as_str())
        .bind(micros(now))
        .fetch_optional(&mut *conn)
        .await
    })?;
    let reader = Reader { table: "send", row: channel.as_str() };
    found.map(|id| reader.id("id", SendId::parse, &id)).transpose()
}

/// The channels that were told of a matter since it was last resolved, or are about to be.
pub async fn list_told(tx: &mut Tx, tenant: &TenantId, thread: &str) -> Result<Vec<DocumentId>, StoreError> {
    let rows: Vec<String> = on!(tx, "list who was told of a matter", |conn| {
        sqlx::query_scalar(
            "SELECT DISTINCT send.channel_id FROM notice JOIN send ON send.notice_id = notice.id
             WHERE notice.thread = $1 AND notice.tenant_id = $2 AND send.state IN ('waiting', 'sent', 'grouped')
                 AND NOT EXISTS (
                     SELECT 1 FROM notice AS later
                     WHERE later.thread = notice.thread AND later.state = 'resolved' AND later.id > notice.id)",
        )
        .bind(thread)
        .bind(tenant.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    let reader = Reader { table: "send", row: thread };
    rows.iter().map(|id| reader.id("channel_id", DocumentId::parse, id)).collect()
}

/// How many sends are open, when the oldest of them was made, and how many are dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Open sends.
    pub open: i64,
    /// When the oldest open one was made.
    pub oldest_at: Option<DateTime<Utc>>,
    /// Dead ones.
    pub dead: i64,
}

/// What is yet to be told.
pub async fn read_backlog(tx: &mut Tx, tenant: &TenantId) -> Result<Backlog, StoreError> {
    let (open, oldest): (i64, Option<i64>) = on!(tx, "count open sends", |conn| {
        sqlx::query_as("SELECT COUNT(*), MIN(created_at) FROM send WHERE tenant_id = $1 AND ended_at IS NULL")
            .bind(tenant.as_str())
            .fetch_one(&mut *conn)
            .await
    })?;
    let dead: i64 = on!(tx, "count dead letters", |conn| {
        sqlx::query_scalar("SELECT COUNT(*) FROM send WHERE tenant_id = $1 AND state = 'dead'")
            .bind(tenant.as_str())
            .fetch_one(&mut *conn)
            .await
    })?;
    Ok(Backlog { open, oldest_at: at(oldest), dead })
}

/// How a channel does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Failures in a row.
    pub failures: i64,
    /// Nothing is tried before this time: its breaker is open.
    pub paused_until: Option<DateTime<Utc>>,
    /// When something was delivered last.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The code of the last failure, or nothing.
    pub code: String,
    /// What was said then.
    pub answer: String,
}

/// Reads how a channel does.
pub async fn find_health(tx: &mut Tx, channel: &DocumentId) -> Result<Health, StoreError> {
    type Row = (i64, Option<i64>, Option<i64>, String, String);
    let row: Option<Row> = on!(tx, "read how a channel does", |conn| {
        sqlx::query_as(
            "SELECT failures, paused_until, delivered_at, code, answer FROM channel_health WHERE channel_id = $1",
        )
        .bind(channel.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    Ok(row.map_or_else(Health::default, |(failures, paused, delivered, code, answer)| Health {
        failures,
        paused_until: at(paused),
        delivered_at: at(delivered),
        code,
        answer,
    }))
}

/// Writes how a channel does.
pub async fn put_health(tx: &mut Tx, channel: &DocumentId, health: &Health) -> Result<(), StoreError> {
    execute!(
        tx,
        "write how a channel does",
        "INSERT INTO channel_health (channel_id, failures, paused_until, delivered_at, code, answer)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (channel_id) DO UPDATE SET failures = excluded.failures, paused_until = excluded.paused_until,
             delivered_at = excluded.delivered_at, code = excluded.code, answer = excluded.answer",
        channel.as_str(),
        health.failures,
        us(health.paused_until),
        us(health.delivered_at),
        &health.code,
        &health.answer,
    )
    .map(|_| ())
}
