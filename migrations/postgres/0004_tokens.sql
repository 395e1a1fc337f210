-- Bearer tokens: never the token, but a keyed hash of it, what it may read, and until when.
-- `token_use` is written at most once a minute and has no MAC: it is told to people and decides nothing.

CREATE TABLE token (
    id          TEXT COLLATE "C" PRIMARY KEY,
    tenant_id   TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
    name        TEXT COLLATE "C" NOT NULL,
    hash        TEXT COLLATE "C" NOT NULL UNIQUE,
    patterns    TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT COLLATE "C" NOT NULL,
    expires_at  BIGINT NOT NULL,
    revoked_at  BIGINT,
    revision    BIGINT NOT NULL,
    mac         BYTEA NOT NULL
);
CREATE INDEX token_by_tenant ON token (tenant_id, id);

CREATE TABLE token_use (
    token_id    TEXT COLLATE "C" PRIMARY KEY REFERENCES token (id),
    tenant_id   TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
    used_at     BIGINT NOT NULL
);
