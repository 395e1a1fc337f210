-- The core: tenants and their keys, targets, secrets and versions, schedules, occurrences, the agenda, rotations,
-- the one event table, deliveries, alerts and the audit rows of reads.
-- Times are microseconds since 1970, UTC. JSON stands in TEXT. `mac` covers every other column of its row but
-- `position`, which is given later.

CREATE TABLE meta (
    name        TEXT PRIMARY KEY,
    value       TEXT NOT NULL
);

CREATE TABLE counter (
    name        TEXT PRIMARY KEY,
    value       BIGINT NOT NULL
);

CREATE TABLE tenant (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    created_at  BIGINT NOT NULL,
    revision    BIGINT NOT NULL,
    mac         BLOB NOT NULL
);

CREATE TABLE tenant_root (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    generation  BIGINT NOT NULL,
    master_id   TEXT NOT NULL,
    token       BLOB NOT NULL,
    created_at  BIGINT NOT NULL,
    UNIQUE (tenant_id, generation)
);

CREATE TABLE target (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    name        TEXT NOT NULL,
    rotator     TEXT NOT NULL,
    settings    TEXT NOT NULL,
    admin       TEXT,
    acknowledged TEXT NOT NULL,
    parallel    BIGINT NOT NULL,
    breaker     TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    mac         BLOB NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE TABLE secret (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    owner       TEXT NOT NULL,
    description TEXT NOT NULL,
    tags        TEXT NOT NULL,
    target_id   TEXT REFERENCES target (id),
    settings    TEXT NOT NULL,
    acknowledged TEXT NOT NULL,
    overlap_us  BIGINT NOT NULL,
    recovery_us BIGINT NOT NULL,
    expires_at  BIGINT,
    next_number BIGINT NOT NULL,
    rotation_id TEXT,
    probe_at    BIGINT,
    deleted_at  BIGINT,
    created_at  BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    mac         BLOB NOT NULL,
    UNIQUE (tenant_id, name)
);
CREATE INDEX secret_by_target ON secret (target_id) WHERE target_id IS NOT NULL;

CREATE TABLE version (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    secret_id   TEXT NOT NULL REFERENCES secret (id),
    number      BIGINT,
    stage       TEXT NOT NULL,
    identity    TEXT NOT NULL,
    key_id      TEXT NOT NULL,
    token       BLOB,
    fingerprint TEXT NOT NULL,
    rotation_id TEXT,
    created_at  BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    published_at BIGINT,
    retire_at   BIGINT,
    retired_at  BIGINT,
    deleted_at  BIGINT,
    deactivated_at BIGINT,
    destroyed_at BIGINT,
    revision    BIGINT NOT NULL,
    mac         BLOB NOT NULL,
    UNIQUE (secret_id, number)
);
CREATE INDEX version_live ON version (secret_id, id) WHERE stage <> 'retired' OR retired_at IS NULL;
CREATE INDEX version_by_key ON version (tenant_id, key_id, id);

CREATE TABLE schedule (
    secret_id   TEXT PRIMARY KEY REFERENCES secret (id),
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    rule        TEXT NOT NULL,
    paused_at   BIGINT,
    pause_reason TEXT NOT NULL,
    counted_from BIGINT NOT NULL,
    next_due_at BIGINT,
    zone_data   TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    mac         BLOB NOT NULL
);

CREATE TABLE occurrence (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    secret_id   TEXT NOT NULL REFERENCES secret (id),
    origin      TEXT NOT NULL,
    state       TEXT NOT NULL,
    first_at    BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    fires       BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    not_before  BIGINT,
    actor       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    rotation_id TEXT,
    candidate_from TEXT,
    why         TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    ended_at    BIGINT
);
CREATE INDEX occurrence_open ON occurrence (secret_id, id) WHERE ended_at IS NULL;
CREATE INDEX occurrence_by_secret ON occurrence (secret_id, id);
CREATE INDEX occurrence_by_time ON occurrence (tenant_id, created_at);

CREATE TABLE rotation (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    secret_id   TEXT NOT NULL REFERENCES secret (id),
    status      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT
);
CREATE INDEX rotation_by_secret ON rotation (tenant_id, secret_id, id);
CREATE INDEX rotation_by_tenant ON rotation (tenant_id, id);
CREATE INDEX rotation_open ON rotation (tenant_id, started_at) WHERE ended_at IS NULL;

CREATE TABLE agenda (
    subject     TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    lane        TEXT NOT NULL,
    due_at      BIGINT,
    holder      TEXT,
    claim_until BIGINT,
    fence       BIGINT NOT NULL
);
CREATE INDEX agenda_due ON agenda (due_at, lane) WHERE due_at IS NOT NULL;
CREATE INDEX agenda_by_lane ON agenda (lane, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX agenda_claimed ON agenda (holder) WHERE holder IS NOT NULL;

CREATE TABLE event (
    subject     TEXT NOT NULL,
    seq         BIGINT NOT NULL,
    id          TEXT NOT NULL UNIQUE,
    tenant_id   TEXT NOT NULL,
    rotation_id TEXT,
    kind        TEXT NOT NULL,
    facts       TEXT NOT NULL,
    written     TEXT NOT NULL,
    actor       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    at          BIGINT NOT NULL,
    mac         BLOB NOT NULL,
    position    BIGINT,
    PRIMARY KEY (subject, seq)
);
CREATE INDEX event_by_rotation ON event (rotation_id, seq) WHERE rotation_id IS NOT NULL;
CREATE INDEX event_by_time ON event (tenant_id, id);
CREATE INDEX event_unsealed ON event (id) WHERE position IS NULL;

CREATE TABLE row_mac (
    kind        TEXT NOT NULL,
    row_id      TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    mac         BLOB NOT NULL,
    event_id    TEXT NOT NULL,
    PRIMARY KEY (kind, row_id)
);

CREATE TABLE delivery (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    secret_id   TEXT NOT NULL REFERENCES secret (id),
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    settings    TEXT NOT NULL,
    delivered   TEXT,
    delivered_at BIGINT,
    attempts    BIGINT NOT NULL,
    next_at     BIGINT,
    last_error  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    revision    BIGINT NOT NULL,
    UNIQUE (secret_id, name)
);

CREATE TABLE alert (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    subject     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    sentence    TEXT NOT NULL,
    hint        TEXT NOT NULL,
    opened_at   BIGINT NOT NULL,
    closed_at   BIGINT
);
CREATE UNIQUE INDEX alert_open ON alert (subject, kind) WHERE closed_at IS NULL;

CREATE TABLE read_audit (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    secret_id   TEXT NOT NULL,
    version_id  TEXT NOT NULL,
    reader      TEXT NOT NULL,
    via         TEXT NOT NULL,
    at          BIGINT NOT NULL,
    mac         BLOB NOT NULL,
    position    BIGINT
);
CREATE INDEX read_audit_by_secret ON read_audit (secret_id, at);

CREATE TABLE idempotency (
    key         TEXT PRIMARY KEY,
    digest      TEXT NOT NULL,
    status      BIGINT NOT NULL,
    body        TEXT NOT NULL,
    at          BIGINT NOT NULL
);
CREATE INDEX idempotency_by_time ON idempotency (at);

INSERT INTO counter (name, value) VALUES ('fence', 0);
