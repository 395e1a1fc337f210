//! The few statements that the two engines must be told differently: claiming, and the database's clock.

pub(super) struct Dialect {
    /// Claims due rows: $1 holder, $2 claim length, $3 fence, $4 now (wall), $5 lanes to leave out (JSON array),
    /// $6 limit, $7 the process's time since start (SQLite judges claims by it, PostgreSQL by its own clock).
    pub(super) claim: &'static str,
    /// Renews claims: $1 holder, $2 claim length, $3 the process's time since start.
    pub(super) renew: &'static str,
    /// The earliest due time of rows that nobody holds: $1 lanes to leave out, $2 the process's time since start.
    pub(super) earliest: &'static str,
}

pub(super) static SQLITE: Dialect = Dialect {
    claim: "
        UPDATE agenda SET holder = $1, claim_until = $7 + $2, fence = $3
        WHERE subject IN (
            SELECT subject FROM agenda
            WHERE due_at IS NOT NULL AND due_at <= $4
              AND (claim_until IS NULL OR claim_until < $7)
              AND lane NOT IN (SELECT value FROM json_each($5))
            ORDER BY due_at LIMIT $6)
        RETURNING subject, tenant_id, lane, due_at, fence",
    renew: "UPDATE agenda SET claim_until = $3 + $2 WHERE holder = $1 AND claim_until >= $3 RETURNING subject, fence",
    earliest: "
        SELECT due_at FROM agenda
        WHERE due_at IS NOT NULL AND (claim_until IS NULL OR claim_until < $2)
          AND lane NOT IN (SELECT value FROM json_each($1))
        ORDER BY due_at LIMIT 1",
};

pub(super) static POSTGRES: Dialect = Dialect {
    claim: "
        UPDATE agenda
        SET holder = $1, claim_until = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + $2, fence = $3
        WHERE subject IN (
            SELECT subject FROM agenda
            WHERE due_at IS NOT NULL AND due_at <= $4
              AND (claim_until IS NULL
                   OR claim_until < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT))
              AND lane NOT IN (SELECT jsonb_array_elements_text(CAST($5 AS JSONB)))
              AND $7 >= CAST(0 AS BIGINT)
            ORDER BY due_at LIMIT $6
            FOR UPDATE SKIP LOCKED)
        RETURNING subject, tenant_id, lane, due_at, fence",
    renew: "
        UPDATE agenda
        SET claim_until = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + $2
        WHERE holder = $1 AND $3 >= CAST(0 AS BIGINT)
          AND claim_until >= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
        RETURNING subject, fence",
    earliest: "
        SELECT due_at FROM agenda
        WHERE due_at IS NOT NULL
          AND (claim_until IS NULL
               OR claim_until < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT))
          AND lane NOT IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB)))
          AND $2 >= CAST(0 AS BIGINT)
        ORDER BY due_at LIMIT 1",
};
