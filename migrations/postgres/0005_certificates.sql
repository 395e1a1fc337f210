-- Certificates that authorities of this store issued, and those that were installed from elsewhere. `issuer` is the
-- key identifier of the issuing authority's key (RFC 5280, 4.2.1.2), so that serials are unique for each key.
CREATE TABLE certificate (
    id          TEXT COLLATE "C" PRIMARY KEY,
    tenant_id   TEXT COLLATE "C" NOT NULL REFERENCES tenant (id),
    issuer      TEXT COLLATE "C" NOT NULL,
    serial      TEXT COLLATE "C" NOT NULL,
    authority   TEXT COLLATE "C" NOT NULL,
    secret_id   TEXT COLLATE "C",
    version_id  TEXT COLLATE "C",
    names       TEXT NOT NULL,
    profile     TEXT NOT NULL,
    not_before  BIGINT NOT NULL,
    not_after   BIGINT NOT NULL,
    pem         TEXT NOT NULL,
    revoked_at  BIGINT,
    revoked_because TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    revision    BIGINT NOT NULL,
    mac         BYTEA NOT NULL,
    UNIQUE (tenant_id, issuer, serial)
);
CREATE INDEX certificate_by_authority ON certificate (tenant_id, authority, id);
CREATE INDEX certificate_by_secret ON certificate (secret_id, id) WHERE secret_id IS NOT NULL;
CREATE INDEX certificate_revoked ON certificate (tenant_id, issuer, not_after) WHERE revoked_at IS NOT NULL;
CREATE INDEX certificate_by_end ON certificate (tenant_id, not_after);
