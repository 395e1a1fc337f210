-- Bearer tokens: never the token, but a keyed hash of it, what it may read, and until when.
-- `token_use` is written at most once a minute and has no MAC: it is told to people and decides nothing.

CREATE TABLE token (
    id          TEXT PRIMARY KEY,
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    name        TEXT NOT NULL,
    hash        TEXT NOT NULL UNIQUE,
    patterns    TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    expires_at  BIGINT NOT NULL,
    revoked_at  BIGINT,
    revision    BIGINT NOT NULL,
    mac         BLOB NOT NULL
);
CREATE INDEX token_by_tenant ON token (tenant_id, id);

CREATE TABLE token_use (
    token_id    TEXT PRIMARY KEY REFERENCES token (id),
    tenant_id   TEXT NOT NULL REFERENCES tenant (id),
    used_at     BIGINT NOT NULL
);
