//! The agenda: one row per subject, the only queue. Due time, claim, fence.
//!
//! A crash after a claim leaves a claim that ends by itself: on SQLite at the next start, on PostgreSQL when it
//! expires. A fence only grows: its counter never restarts.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    codec::us,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    model::{HolderId, TenantId},
};

/// A claimed row: a holder's time-limited right to act on a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What is claimed.
    pub subject: String,
    /// Its tenant.
    pub tenant: TenantId,
    /// Where its work takes place: a target's id, or nothing.
    pub lane: String,
    /// Since when it was due.
    pub due_at: DateTime<Utc>,
    /// The number that every write under this claim shows.
    pub fence: i64,
}

/// What a holder tells when it asks for work.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// Who asks.
    pub holder: &'a HolderId,
    /// How long a claim lasts without renewal.
    pub length: Duration,
    /// The wall time.
    pub now: DateTime<Utc>,
    /// The process's time since the machine's start.
    pub boot: Duration,
    /// Room of lanes; those without room are left out.
    pub rooms: &'a BTreeMap<String, usize>,
    /// Room of the lanes that are not named. Work without a lane is bounded by the limit alone.
    pub room_per_lane: usize,
    /// The most rows to look at.
    pub limit: i64,
    /// Which part of the agenda is asked for.
    pub part: Part,
}

/// The parts of the agenda. They have room of their own, so that a dead receiver of notices takes none from rotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Secrets, targets, and what else acts without a channel.
    Working,
    /// Sends: rows whose lane is a channel, the id of a document.
    Telling,
}

fn length_us(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX / 4)
}

/// Claims due rows for which their lanes have room, earliest first. One fence serves the batch: it grows with each claim of a row.
pub async fn claim_due(tx: &mut Tx, ask: &Ask<'_>) -> Result<Vec<Claim>, StoreError> {
    let fence = next_fence(tx).await?;
    let sql = tx.dialect().claim.of(ask.part);
    let rooms = super::codec::json(&ask.rooms);
    let per_lane = i64::try_from(ask.room_per_lane).unwrap_or(i64::MAX);
    let rows: Vec<(String, String, String, i64, i64)> = on!(tx, "claim due work", |conn| {
        sqlx::query_as(sql)
            .bind(ask.holder.as_str())
            .bind(length_us(ask.length))
            .bind(fence)
            .bind(micros(ask.now))
            .bind(&rooms)
            .bind(ask.limit)
            .bind(length_us(ask.boot))
            .bind(per_lane)
            .fetch_all(&mut *conn)
            .await
    })?;
    let mut claims = Vec::with_capacity(rows.len());
    for (subject, tenant, lane, due_at, fence) in rows {
        let tenant = TenantId::parse(&tenant).map_err(|error| StoreError::Unreadable {
            table: "agenda",
            row: subject.clone(),
            because: error.to_string(),
        })?;
        claims.push(Claim { subject, tenant, lane, due_at: from_micros(due_at), fence });
    }
    claims.sort_by_key(|claim| claim.due_at);
    Ok(claims)
}

async fn next_fence(tx: &mut Tx) -> Result<i64, StoreError> {
    on!(tx, "take a fence", |conn| {
        sqlx::query_scalar("UPDATE counter SET value = value + 1 WHERE name = 'fence' RETURNING value")
            .fetch_one(&mut *conn)
            .await
    })
}

/// Renews live claims of a holder; answers subject and fence of each. Only those on which somebody works are named:
/// a claim whose end could not be written must end by itself.
pub async fn renew(
    tx: &mut Tx,
    holder: &HolderId,
    length: Duration,
    boot: Duration,
    subjects: &[String],
) -> Result<Vec<(String, i64)>, StoreError> {
    let sql = tx.dialect().renew;
    on!(tx, "renew its claims", |conn| {
        sqlx::query_as(sql)
            .bind(holder.as_str())
            .bind(length_us(length))
            .bind(length_us(boot))
            .bind(super::codec::json(&subjects))
            .fetch_all(&mut *conn)
            .await
    })
}

/// The earliest due time of what nobody holds in a part, in lanes that have room.
pub async fn find_earliest(
    tx: &mut Tx,
    part: Part,
    full_lanes: &[String],
    boot: Duration,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let sql = tx.dialect().earliest.of(part);
    let lanes = super::codec::json(&full_lanes);
    let due: Option<i64> = on!(tx, "look for the next due time", |conn| {
        sqlx::query_scalar(sql).bind(&lanes).bind(length_us(boot)).fetch_optional(&mut *conn).await
    })?;
    Ok(due.map(from_micros))
}

/// In how long the first claim that another process holds ends, if it is not renewed; zero when it has ended.
pub async fn find_end_of_others(tx: &mut Tx, holder: &HolderId) -> Result<Option<Duration>, StoreError> {
    let Some(sql) = tx.dialect().others_end else { return Ok(None) };
    let left: Option<i64> = on!(tx, "look for the end of claims", |conn| {
        sqlx::query_scalar(sql).bind(holder.as_str()).fetch_one(&mut *conn).await
    })?;
    Ok(left.map(|left| Duration::from_micros(u64::try_from(left).unwrap_or(0))))
}

/// Begins a write under a claim: holds the row until the commit, or fails when the claim is gone.
pub async fn hold(tx: &mut Tx, subject: &str, fence: i64) -> Result<(), StoreError> {
    let held = execute!(
        tx,
        "hold its claim",
        "UPDATE agenda SET fence = fence WHERE subject = $1 AND fence = $2 AND holder IS NOT NULL",
        subject,
        fence,
    )?;
    if held == 1 { Ok(()) } else { Err(StoreError::FenceLost { subject: subject.to_owned() }) }
}

/// Begins a write that needs no claim: holds the row until the commit, whoever has the claim.
pub async fn lock(tx: &mut Tx, subject: &str) -> Result<(), StoreError> {
    execute!(tx, "lock a subject", "UPDATE agenda SET fence = fence WHERE subject = $1", subject).map(|_| ())
}

/// Puts a subject on the agenda.
pub async fn insert(
    tx: &mut Tx,
    subject: &str,
    tenant: &TenantId,
    lane: &str,
    due_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    execute!(
        tx,
        "put a subject on the agenda",
        "INSERT INTO agenda (subject, tenant_id, lane, due_at, holder, claim_until, fence)
         VALUES ($1, $2, $3, $4, NULL, NULL, 0)
         ON CONFLICT (subject) DO NOTHING",
        subject,
        tenant.as_str(),
        lane,
        us(due_at),
    )?;
    if due_at.is_some() { notify(tx).await } else { Ok(()) }
}

/// Tells other replicas, at the commit, that a due time may be earlier than they believe.
async fn notify(tx: &mut Tx) -> Result<(), StoreError> {
    let Some(sql) = tx.dialect().notify else { return Ok(()) };
    execute!(tx, "wake other replicas", sql).map(|_| ())
}

/// Takes a subject off the agenda.
pub async fn delete(tx: &mut Tx, subject: &str) -> Result<(), StoreError> {
    execute!(tx, "take a subject off the agenda", "DELETE FROM agenda WHERE subject = $1", subject).map(|_| ())
}

/// Says when a subject must next be looked at, and where its work takes place.
pub async fn set_due(tx: &mut Tx, subject: &str, lane: &str, due_at: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    execute!(
        tx,
        "set a due time",
        "UPDATE agenda SET due_at = $2, lane = $3 WHERE subject = $1",
        subject,
        us(due_at),
        lane,
    )?;
    if due_at.is_some() { notify(tx).await } else { Ok(()) }
}

/// Pulls a due time forward; never back.
pub async fn pull(tx: &mut Tx, subject: &str, due_at: DateTime<Utc>) -> Result<(), StoreError> {
    let pulled = execute!(
        tx,
        "pull a due time forward",
        "UPDATE agenda SET due_at = $2 WHERE subject = $1 AND (due_at IS NULL OR due_at > $2)",
        subject,
        micros(due_at),
    )?;
    if pulled > 0 { notify(tx).await } else { Ok(()) }
}

/// Pulls all subjects of a lane forward, when its target answers again.
pub async fn pull_lane(tx: &mut Tx, lane: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<(), StoreError> {
    let pulled = execute!(
        tx,
        "pull a lane forward",
        "UPDATE agenda SET due_at = $3 WHERE lane = $1 AND due_at IS NOT NULL AND due_at > $3 AND due_at <= $2",
        lane,
        micros(from),
        micros(to),
    )?;
    if pulled > 0 { notify(tx).await } else { Ok(()) }
}

/// Has every secret looked at now whose schedule counts from after a time.
pub async fn pull_counted_after(tx: &mut Tx, after: DateTime<Utc>, now: DateTime<Utc>) -> Result<u64, StoreError> {
    execute!(
        tx,
        "pull plans of the future forward",
        "UPDATE agenda SET due_at = $2
         WHERE (due_at IS NULL OR due_at > $2) AND subject IN (SELECT secret_id FROM schedule WHERE counted_from > $1)",
        micros(after),
        micros(now),
    )
}

/// Ends a claim and says when the subject must next be looked at. The caller began the transaction with [`hold`] and
/// computed `due_at` from what it read after that, so that no request that came meanwhile is missed.
pub async fn release(tx: &mut Tx, claim: &Claim, due_at: Option<DateTime<Utc>>, lane: &str) -> Result<(), StoreError> {
    let released = execute!(
        tx,
        "end its claim",
        "UPDATE agenda SET holder = NULL, claim_until = NULL, lane = $4, due_at = $3
         WHERE subject = $1 AND fence = $2",
        claim.subject.as_str(),
        claim.fence,
        us(due_at),
        lane,
    )?;
    if released == 1 { Ok(()) } else { Err(StoreError::FenceLost { subject: claim.subject.clone() }) }
}

/// Ends claims of one batch without a change of the due time: there was no room to work on them.
pub async fn put_back(tx: &mut Tx, fence: i64, subjects: &[String]) -> Result<(), StoreError> {
    let sql = tx.dialect().put_back;
    execute!(tx, "put work back", sql, fence, super::codec::json(&subjects)).map(|_| ())
}

/// Voids every claim: at the start of the only holder of a SQLite store.
pub async fn void_all_claims(tx: &mut Tx) -> Result<u64, StoreError> {
    execute!(
        tx,
        "void the claims of an earlier life",
        "UPDATE agenda SET holder = NULL, claim_until = NULL WHERE holder IS NOT NULL",
    )
}

/// Claims that a holder has, for tests and the shutdown.
pub async fn count_claims(tx: &mut Tx) -> Result<i64, StoreError> {
    on!(tx, "count claims", |conn| {
        sqlx::query_scalar("SELECT COUNT(*) FROM agenda WHERE holder IS NOT NULL").fetch_one(&mut *conn).await
    })
}

/// When a subject is next looked at, and whether somebody has it.
pub async fn find_due(tx: &mut Tx, subject: &str) -> Result<Option<(Option<DateTime<Utc>>, bool)>, StoreError> {
    let row: Option<(Option<i64>, Option<String>)> = on!(tx, "read a due time", |conn| {
        sqlx::query_as("SELECT due_at, holder FROM agenda WHERE subject = $1")
            .bind(subject)
            .fetch_optional(&mut *conn)
            .await
    })?;
    Ok(row.map(|(due, holder)| (due.map(from_micros), holder.is_some())))
}

/// How many rows are due and not held, for gauges.
pub async fn count_due(tx: &mut Tx, now: DateTime<Utc>) -> Result<i64, StoreError> {
    on!(tx, "count due work", |conn| {
        sqlx::query_scalar("SELECT COUNT(*) FROM agenda WHERE due_at IS NOT NULL AND due_at <= $1 AND holder IS NULL")
            .bind(micros(now))
            .fetch_one(&mut *conn)
            .await
    })
}

/// Whether nothing is due and nobody holds anything, seen in one statement.
pub async fn is_quiet(tx: &mut Tx, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let busy: i64 = on!(tx, "look for work under way", |conn| {
        sqlx::query_scalar(
            "SELECT COUNT(*) FROM agenda WHERE holder IS NOT NULL OR (due_at IS NOT NULL AND due_at <= $1)",
        )
        .bind(micros(now))
        .fetch_one(&mut *conn)
        .await
    })?;
    Ok(busy == 0)
}
