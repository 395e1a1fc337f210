//! The few statements that the two engines must be told differently: claiming, waking others, the database's clock,
//! leaving out what others have locked.

use super::agenda::Part;

/// A statement for each part of the agenda.
pub(super) struct ByPart {
    working: &'static str,
    telling: &'static str,
}

impl ByPart {
    pub(super) fn of(&self, part: Part) -> &'static str {
        match part {
            Part::Working => self.working,
            Part::Telling => self.telling,
        }
    }
}

pub(super) struct Dialect {
    /// Claims due rows: $1 holder, $2 claim length, $3 fence, $4 now (wall), $5 room of lanes (JSON object), $6 limit,
    /// $7 the process's time since start (SQLite judges claims by it, PostgreSQL by its own clock), $8 room of the
    /// other lanes. Looks at the first rows only and takes those for which their lanes have room.
    pub(super) claim: ByPart,
    /// Renews claims: $1 holder, $2 claim length, $3 the process's time since start, $4 subjects (JSON array).
    pub(super) renew: &'static str,
    /// The earliest due time of rows that nobody holds: $1 lanes to leave out, $2 the process's time since start.
    pub(super) earliest: ByPart,
    /// In how many microseconds the first claim of others ends: $1 the holder who asks. None where there are no others.
    pub(super) others_end: Option<&'static str>,
    /// Ends claims without work: $1 fence, $2 subjects (JSON array).
    pub(super) put_back: &'static str,
    /// Tells other replicas that a due time was pulled forward, at the commit.
    pub(super) notify: Option<&'static str>,
    /// The oldest news that nobody else works on: $1 tenant, $2 limit.
    pub(super) news: &'static str,
}

// Rows of the two parts of the agenda. These words are those of the index `agenda_telling` too, so that what looks for
// sends reads sends alone.
macro_rules! working {
    () => {
        "NOT (lane >= 'doc_' AND lane < 'doc`')"
    };
}
macro_rules! telling {
    () => {
        "lane >= 'doc_' AND lane < 'doc`'"
    };
}

// SQLite is told which index to read: without statistics it would take the one by lane, and sort.
macro_rules! indexed {
    (working) => {
        "agenda INDEXED BY agenda_due"
    };
    (telling) => {
        "agenda INDEXED BY agenda_telling"
    };
}

macro_rules! sqlite_claim {
    ($part:ident) => {
        concat!(
            "
        UPDATE agenda SET holder = $1, claim_until = $7 + $2, fence = $3
        WHERE subject IN (
            SELECT subject FROM (
                SELECT subject, lane, ROW_NUMBER() OVER (PARTITION BY lane ORDER BY due_at, subject) AS place
                FROM (
                    SELECT subject, lane, due_at FROM ",
            indexed!($part),
            "
                    WHERE due_at IS NOT NULL AND due_at <= $4
                      AND (claim_until IS NULL OR claim_until < $7)
                      AND ",
            $part!(),
            "
                      AND lane NOT IN (SELECT key FROM json_each($5) WHERE value = 0)
                    ORDER BY due_at LIMIT $6))
            WHERE lane = '' OR place <= COALESCE((SELECT value FROM json_each($5) WHERE key = lane), $8))
        RETURNING subject, tenant_id, lane, due_at, fence"
        )
    };
}
macro_rules! sqlite_earliest {
    ($part:ident) => {
        concat!(
            "
        SELECT due_at FROM ",
            indexed!($part),
            "
        WHERE due_at IS NOT NULL AND (claim_until IS NULL OR claim_until < $2)
          AND ",
            $part!(),
            "
          AND lane NOT IN (SELECT value FROM json_each($1))
        ORDER BY due_at LIMIT 1"
        )
    };
}
macro_rules! postgres_claim {
    ($part:ident) => {
        concat!("
        WITH picked AS MATERIALIZED (
            SELECT subject, lane, due_at FROM agenda
            WHERE due_at IS NOT NULL AND due_at <= $4
              AND (claim_until IS NULL
                   OR claim_until < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT))
              AND lane NOT IN (SELECT key FROM jsonb_each_text(CAST($5 AS JSONB)) WHERE value = '0')
              AND ", $part!(), "
              AND $7 >= CAST(0 AS BIGINT)
            ORDER BY due_at LIMIT $6
            FOR UPDATE SKIP LOCKED),
        placed AS (
            SELECT subject, lane, ROW_NUMBER() OVER (PARTITION BY lane ORDER BY due_at, subject) AS place FROM picked)
        UPDATE agenda
        SET holder = $1, claim_until = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + $2, fence = $3
        FROM placed
        WHERE agenda.subject = placed.subject
          AND (placed.lane = '' OR placed.place <= COALESCE(CAST(CAST($5 AS JSONB) ->> placed.lane AS BIGINT), $8))
        RETURNING agenda.subject, agenda.tenant_id, agenda.lane, agenda.due_at, agenda.fence")
    };
}
macro_rules! postgres_earliest {
    ($part:ident) => {
        concat!(
            "
        SELECT due_at FROM agenda
        WHERE due_at IS NOT NULL
          AND (claim_until IS NULL
               OR claim_until < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT))
          AND lane NOT IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))
          AND ",
            $part!(),
            "
          AND $2 >= CAST(0 AS BIGINT)
        ORDER BY due_at LIMIT 1"
        )
    };
}

pub(super) static SQLITE: Dialect = Dialect {
    claim: ByPart { working: sqlite_claim!(working), telling: sqlite_claim!(telling) },
    renew: "
        UPDATE agenda SET claim_until = $3 + $2
        WHERE holder = $1 AND claim_until >= $3 AND subject IN (SELECT value FROM json_each($4))
        RETURNING subject, fence",
    earliest: ByPart { working: sqlite_earliest!(working), telling: sqlite_earliest!(telling) },
    others_end: None,
    put_back: "
        UPDATE agenda SET holder = NULL, claim_until = NULL
        WHERE fence = $1 AND subject IN (SELECT value FROM json_each($2))",
    notify: None,
    news: "SELECT event_id, channel_id FROM news WHERE tenant_id = $1 ORDER BY event_id, channel_id LIMIT $2",
};

// The rows are locked in a part of their own: the planner may run a sub-select with a LIMIT more than once.
pub(super) static POSTGRES: Dialect = Dialect {
    claim: ByPart { working: postgres_claim!(working), telling: postgres_claim!(telling) },
    renew: "
        UPDATE agenda
        SET claim_until = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + $2
        WHERE holder = $1 AND $3 >= CAST(0 AS BIGINT)
          AND claim_until >= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
          AND subject IN (SELECT jsonb_array_elements_text(CAST($4 AS JSONB)))
        RETURNING subject, fence",
    earliest: ByPart { working: postgres_earliest!(working), telling: postgres_earliest!(telling) },
    others_end: Some(
        "SELECT MIN(claim_until) - CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
        FROM agenda WHERE holder IS NOT NULL AND holder <> $1",
    ),
    put_back: "
        UPDATE agenda SET holder = NULL, claim_until = NULL
        WHERE fence = $1 AND subject IN (SELECT jsonb_array_elements_text(CAST($2 AS JSONB)))",
    notify: Some("SELECT pg_notify('keywheel.agenda', '')"),
    news: "
        SELECT event_id, channel_id FROM news WHERE tenant_id = $1 ORDER BY event_id, channel_id LIMIT $2
        FOR UPDATE SKIP LOCKED",
};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::{
        keyring::Keyring,
        store::{SqliteOptions, Store, StoreError, tx::on},
    };

    /// How SQLite would run a statement.
    async fn plan(sql: &'static str) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("keywheel.db");
        let store =
            Store::open_sqlite(&file, &SqliteOptions::default(), Arc::new(Keyring::new())).await.expect("a store");
        let mut tx = store.read().await.expect("a connection");
        let asked = format!("EXPLAIN QUERY PLAN {sql}");
        let rows: Result<Vec<(i64, i64, i64, String)>, StoreError> =
            on!(tx, "explain", |conn| { sqlx::query_as(AssertSqlSafe(asked)).fetch_all(&mut *conn).await });
        rows.expect("explained").into_iter().map(|row| row.3).collect::<Vec<_>>().join("\n")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_looks_for_sends_passes_by_nothing_else() {
        for sql in [SQLITE.earliest.of(Part::Telling), SQLITE.claim.of(Part::Telling)] {
            let plan = plan(sql).await;
            assert!(plan.contains("INDEX agenda_telling"), "{plan}");
        }
        for sql in [SQLITE.earliest.of(Part::Working), SQLITE.claim.of(Part::Working)] {
            let plan = plan(sql).await;
            assert!(plan.contains("INDEX agenda_due"), "{plan}");
        }
    }
}
