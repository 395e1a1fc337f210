//! The few statements that the two engines must be told differently: claiming, waking others, the database's clock.

pub(super) struct Dialect {
    /// Claims due rows: $1 holder, $2 claim length, $3 fence, $4 now (wall), $5 room of lanes (JSON object), $6 limit,
    /// $7 the process's time since start (SQLite judges claims by it, PostgreSQL by its own clock), $8 room of the
    /// other lanes. Looks at the first rows only and takes those for which their lanes have room.
    pub(super) claim: &'static str,
    /// Renews claims: $1 holder, $2 claim length, $3 the process's time since start, $4 subjects (JSON array).
    pub(super) renew: &'static str,
    /// The earliest due time of rows that nobody holds: $1 lanes to leave out, $2 the process's time since start.
    pub(super) earliest: &'static str,
    /// In how many microseconds the first claim of others ends: $1 the holder who asks. None where there are no others.
    pub(super) others_end: Option<&'static str>,
    /// Ends claims without work: $1 fence, $2 subjects (JSON array).
    pub(super) put_back: &'static str,
    /// Tells other replicas that a due time was pulled forward, at the commit.
    pub(super) notify: Option<&'static str>,
}

pub(super) static SQLITE: Dialect = Dialect {
    claim: "
        UPDATE agenda SET holder = $1, claim_until = $7 + $2, fence = $3
        WHERE subject IN (
            SELECT subject FROM (
                SELECT subject, lane, ROW_NUMBER() OVER (PARTITION BY lane ORDER BY due_at, subject) AS place
                FROM (
                    SELECT subject, lane, due_at FROM agenda
                    WHERE due_at IS NOT NULL AND due_at <= $4
                      AND (claim_until IS NULL OR claim_until < $7)
                      AND lane NOT IN (SELECT key FROM json_each($5) WHERE value = 0)
                    ORDER BY due_at LIMIT $6))
            WHERE lane = '' OR place <= COALESCE((SELECT value FROM json_each($5) WHERE key = lane), $8))
        RETURNING subject, tenant_id, lane, due_at, fence",
    renew: "
        UPDATE agenda SET claim_until = $3 + $2
        WHERE holder = $1 AND claim_until >= $3 AND subject IN (SELECT value FROM json_each($4))
        RETURNING subject, fence",
    earliest: "
        SELECT due_at FROM agenda
        WHERE due_at IS NOT NULL AND (claim_until IS NULL OR claim_until < $2)
          AND lane NOT IN (SELECT value FROM json_each($1))
        ORDER BY due_at LIMIT 1",
    others_end: None,
    put_back: "
        UPDATE agenda SET holder = NULL, claim_until = NULL
        WHERE fence = $1 AND subject IN (SELECT value FROM json_each($2))",
    notify: None,
};

// The rows are locked in a part of their own: the planner may run a sub-select with a LIMIT more than once.
pub(super) static POSTGRES: Dialect = Dialect {
    claim: "
        WITH picked AS MATERIALIZED (
            SELECT subject, lane, due_at FROM agenda
            WHERE due_at IS NOT NULL AND due_at <= $4
              AND (claim_until IS NULL
                   OR claim_until < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT))
              AND lane NOT IN (SELECT key FROM jsonb_each_text(CAST($5 AS JSONB)) WHERE value = '0')
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
        RETURNING agenda.subject, agenda.tenant_id, agenda.lane, agenda.due_at, agenda.fence",
    renew: "
        UPDATE agenda
        SET claim_until = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + $2
        WHERE holder = $1 AND $3 >= CAST(0 AS BIGINT)
          AND claim_until >= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
          AND subject IN (SELECT jsonb_array_elements_text(CAST($4 AS JSONB)))
        RETURNING subject, fence",
    earliest: "
        SELECT due_at FROM agenda
        WHERE due_at IS NOT NULL
          AND (claim_until IS NULL
               OR claim_until < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT))
          AND lane NOT IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))
          AND $2 >= CAST(0 AS BIGINT)
        ORDER BY due_at LIMIT 1",
    others_end: Some(
        "SELECT MIN(claim_until) - CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
        FROM agenda WHERE holder IS NOT NULL AND holder <> $1",
    ),
    put_back: "
        UPDATE agenda SET holder = NULL, claim_until = NULL
        WHERE fence = $1 AND subject IN (SELECT jsonb_array_elements_text(CAST($2 AS JSONB)))",
    notify: Some("SELECT pg_notify('keywheel.agenda', '')"),
};
