-- Notices: what people configure about them (channels, routes, silences, the expiry rules of a secret), what is yet to
-- be told, what was told, and each channel's part of it.
-- `news` is written in the transaction of the event that it names and deleted in the transaction that makes notices of
-- it. A `send` is one channel's part of a notice; while it is open it has a row on the agenda.

CREATE TABLE document (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    body        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    mac         BLOB NOT NULL,
    UNIQUE (tenant_id, kind, name)
);

CREATE TABLE news (
    event_id    TEXT NOT NULL,
    channel_id  TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    PRIMARY KEY (event_id, channel_id)
);

CREATE TABLE notice (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    event_id    TEXT NOT NULL UNIQUE,
    subject     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    class       TEXT NOT NULL,
    severity    BIGINT NOT NULL,
    state       TEXT NOT NULL,
    thread      TEXT NOT NULL,
    message     TEXT NOT NULL,
    muted       TEXT NOT NULL,
    deadline_at BIGINT,
    escalate_at BIGINT,
    created_at  BIGINT NOT NULL,
    acked_at    BIGINT,
    acked_by    TEXT NOT NULL,
    ack_reason  TEXT NOT NULL
);
CREATE INDEX notice_by_tenant ON notice (tenant_id, id);
CREATE INDEX notice_by_thread ON notice (thread, id);

CREATE TABLE send (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    notice_id   TEXT NOT NULL REFERENCES notice (id),
    channel_id  TEXT NOT NULL,
    thread      TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    BIGINT NOT NULL,
    next_at     BIGINT,
    deadline_at BIGINT,
    code        TEXT NOT NULL,
    answer      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    UNIQUE (notice_id, channel_id)
);
CREATE INDEX send_by_notice ON send (notice_id);
CREATE INDEX send_open ON send (channel_id, thread, id) WHERE ended_at IS NULL;
CREATE INDEX send_oldest ON send (tenant_id, created_at) WHERE ended_at IS NULL;
CREATE INDEX send_dead ON send (tenant_id, id) WHERE state = 'dead';

CREATE TABLE channel_health (
    channel_id  TEXT PRIMARY KEY,
    failures    BIGINT NOT NULL,
    paused_until BIGINT,
    delivered_at BIGINT,
    code        TEXT NOT NULL,
    answer      TEXT NOT NULL
);
