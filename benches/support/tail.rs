//! What the engine has written, read from the store's file beside it: the events of rotations and their times.

use std::{collections::HashMap, path::Path};

use anyhow::Result;
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

/// One event of a rotation.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Seen {
    pub(crate) place: i64,
    pub(crate) subject: String,
    pub(crate) rotation_id: String,
    pub(crate) kind: String,
    pub(crate) at: i64,
}

/// Follows the event table of a SQLite store.
pub(crate) struct Tail {
    pool: SqlitePool,
    last: i64,
}

impl Tail {
    /// Opens the file and begins after what is there.
    pub(crate) async fn open(file: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        let last = sqlx::query_scalar("SELECT COALESCE(MAX(rowid), 0) FROM event").fetch_one(&pool).await?;
        Ok(Self { pool, last })
    }

    /// What was written since the last call.
    pub(crate) async fn next(&mut self) -> Result<Vec<Seen>> {
        let sql = "SELECT rowid AS place, subject, rotation_id, kind, at FROM event
                   WHERE rowid > $1 AND rotation_id IS NOT NULL ORDER BY rowid";
        let seen: Vec<Seen> = sqlx::query_as(sql).bind(self.last).fetch_all(&self.pool).await?;
        self.last = seen.last().map_or(self.last, |event| event.place);
        Ok(seen)
    }

    /// Planned occurrences that ended in a span of time: microseconds between due and done.
    pub(crate) async fn lateness(&self, from: i64, to: i64) -> Result<Vec<i64>> {
        let sql = "SELECT ended_at - first_at FROM occurrence
                   WHERE origin = 'planned' AND state IN ('done', 'coalesced') AND ended_at BETWEEN $1 AND $2";
        Ok(sqlx::query_scalar(sql).bind(from).bind(to).fetch_all(&self.pool).await?)
    }

    /// How many claims are held.
    pub(crate) async fn held(&self) -> Result<i64> {
        let sql = "SELECT COUNT(*) FROM agenda WHERE holder IS NOT NULL OR due_at <= 0";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }
}

/// The steps of a rotation, by the event that ends each.
const STEPS: [(&str, &str, &str); 4] = [
    ("plan to seal", "rotation.planned", "rotation.sealed"),
    ("apply", "rotation.sealed", "rotation.applied"),
    ("verify and publish", "rotation.applied", "rotation.published"),
    ("all", "rotation.planned", "rotation.published"),
];

/// Microseconds that the steps of rotations took.
pub(crate) fn steps_of(events: &[Seen]) -> Vec<(&'static str, Vec<i64>)> {
    let mut times: HashMap<(&str, &str), i64> = HashMap::new();
    for event in events {
        times.insert((&event.rotation_id, &event.kind), event.at);
    }
    let mut steps: Vec<_> = STEPS.iter().map(|(name, ..)| (*name, Vec::new())).collect();
    for event in events.iter().filter(|event| event.kind == "rotation.published") {
        for (i, (_, from, to)) in STEPS.iter().enumerate() {
            let at = |kind: &'static str| times.get(&(event.rotation_id.as_str(), kind));
            if let (Some(from), Some(to)) = (at(from), at(to)) {
                steps[i].1.push(to - from);
            }
        }
    }
    steps
}
