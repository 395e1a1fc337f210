//! Answers that were given to requests with an `Idempotency-Key`, kept for a day.

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    tx::{execute, on},
};
use crate::clock::micros;

/// A kept answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// A digest of the request that it answers.
    pub digest: String,
    /// The status.
    pub status: i64,
    /// The body.
    pub body: String,
}

/// Finds the answer that was given under a key.
pub async fn find(tx: &mut Tx, key: &str) -> Result<Option<Kept>, StoreError> {
    let row: Option<(String, i64, String)> = on!(tx, "find a kept answer", |conn| {
        sqlx::query_as("SELECT digest, status, body FROM idempotency WHERE key = $1")
            .bind(key)
            .fetch_optional(&mut *conn)
            .await
    })?;
    Ok(row.map(|(digest, status, body)| Kept { digest, status, body }))
}

/// Keeps an answer.
pub async fn put(tx: &mut Tx, key: &str, kept: &Kept, now: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(
        tx,
        "keep an answer",
        "INSERT INTO idempotency (key, digest, status, body, at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (key) DO NOTHING",
        key,
        &kept.digest,
        kept.status,
        &kept.body,
        micros(now),
    )?;
    Ok(())
}

/// Forgets answers that were given before a time.
pub async fn delete_before(tx: &mut Tx, time: DateTime<Utc>) -> Result<u64, StoreError> {
    execute!(tx, "forget kept answers", "DELETE FROM idempotency WHERE at < $1", micros(time))
}
