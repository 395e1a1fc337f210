//! Secrets.

use super::{
    StoreError, Tx, Written,
    codec::{Reader, at, json, us},
    integrity::MacRow,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    keyring::Keyring,
    model::{Actor, Name, RotationId, Secret, SecretId, TargetId, TenantId},
};

super::integrity::mac_row!(SecretRow in "secret" by id, |row| row.revision; {
    id: String,
    tenant_id: String,
    name: String,
    kind: String,
    owner: String,
    description: String,
    tags: String,
    target_id: Option<String>,
    settings: String,
    acknowledged: String,
    overlap_us: i64,
    recovery_us: i64,
    expires_at: Option<i64>,
    next_number: i64,
    rotation_id: Option<String>,
    probe_at: Option<i64>,
    deleted_at: Option<i64>,
    created_at: i64,
    created_by: String,
    revision: i64,
});

impl SecretRow {
    fn of(secret: &Secret, keyring: &Keyring) -> Result<Self, StoreError> {
        let mut row = Self {
            id: secret.id.as_str().to_owned(),
            tenant_id: secret.tenant.as_str().to_owned(),
            name: secret.name.as_str().to_owned(),
            kind: secret.kind.clone(),
            owner: secret.owner.clone(),
            description: secret.description.clone(),
            tags: json(&secret.tags),
            target_id: secret.target.clone().map(String::from),
            settings: json(&secret.settings),
            acknowledged: json(&secret.acknowledged),
            overlap_us: secret.overlap_us,
            recovery_us: secret.recovery_us,
            expires_at: us(secret.expires_at),
            next_number: secret.next_number,
            rotation_id: secret.rotation.clone().map(String::from),
            probe_at: us(secret.probe_at),
            deleted_at: us(secret.deleted_at),
            created_at: micros(secret.created_at),
            created_by: secret.created_by.as_str().to_owned(),
            revision: secret.revision,
            mac: Vec::new(),
            noted: None,
        };
        row.mac = row.make_mac(keyring)?;
        Ok(row)
    }

    fn into_secret(self, keyring: &Keyring) -> Result<Secret, StoreError> {
        self.check_mac(keyring)?;
        self.check_latest()?;
        let reader = Reader { table: "secret", row: &self.id };
        Ok(Secret {
            id: reader.id("id", SecretId::parse, &self.id)?,
            tenant: reader.id("tenant_id", TenantId::parse, &self.tenant_id)?,
            name: reader.id("name", Name::parse, &self.name)?,
            tags: reader.json("tags", &self.tags)?,
            target: reader.optional("target_id", TargetId::parse, self.target_id.as_deref())?,
            settings: reader.json("settings", &self.settings)?,
            acknowledged: reader.json("acknowledged", &self.acknowledged)?,
            rotation: reader.optional("rotation_id", RotationId::parse, self.rotation_id.as_deref())?,
            kind: self.kind,
            owner: self.owner,
            description: self.description,
            overlap_us: self.overlap_us,
            recovery_us: self.recovery_us,
            expires_at: at(self.expires_at),
            next_number: self.next_number,
            probe_at: at(self.probe_at),
            deleted_at: at(self.deleted_at),
            created_at: from_micros(self.created_at),
            created_by: Actor::from_stored(self.created_by),
            revision: self.revision,
        })
    }
}

/// Inserts a new secret, at its revision.
pub async fn insert(tx: &mut Tx, keyring: &Keyring, secret: &Secret) -> Result<Written, StoreError> {
    let row = SecretRow::of(secret, keyring)?;
    let inserted = execute!(
        tx,
        "insert a secret",
        "INSERT INTO secret (id, tenant_id, name, kind, owner, description, tags, target_id, settings, acknowledged,
             overlap_us, recovery_us, expires_at, next_number, rotation_id, probe_at, deleted_at, created_at,
             created_by, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
         ON CONFLICT (tenant_id, name) DO NOTHING",
        &row.id,
        &row.tenant_id,
        &row.name,
        &row.kind,
        &row.owner,
        &row.description,
        &row.tags,
        &row.target_id,
        &row.settings,
        &row.acknowledged,
        row.overlap_us,
        row.recovery_us,
        row.expires_at,
        row.next_number,
        &row.rotation_id,
        row.probe_at,
        row.deleted_at,
        row.created_at,
        &row.created_by,
        row.revision,
        &row.mac,
    )?;
    if inserted == 1 {
        Ok(Written::of(&row))
    } else {
        Err(StoreError::Exists { what: "secret", name: secret.name.to_string() })
    }
}

/// Writes a changed secret over the revision that was read, and gives it the next one.
pub async fn update(tx: &mut Tx, keyring: &Keyring, secret: &mut Secret) -> Result<Written, StoreError> {
    let read = secret.revision;
    secret.revision += 1;
    let row = SecretRow::of(secret, keyring)?;
    let updated = execute!(
        tx,
        "change a secret",
        "UPDATE secret SET name = $3, kind = $4, owner = $5, description = $6, tags = $7, target_id = $8,
             settings = $9, acknowledged = $10, overlap_us = $11, recovery_us = $12, expires_at = $13,
             next_number = $14, rotation_id = $15, probe_at = $16, deleted_at = $17, revision = $18, mac = $19
         WHERE id = $1 AND tenant_id = $2 AND revision = $20",
        &row.id,
        &row.tenant_id,
        &row.name,
        &row.kind,
        &row.owner,
        &row.description,
        &row.tags,
        &row.target_id,
        &row.settings,
        &row.acknowledged,
        row.overlap_us,
        row.recovery_us,
        row.expires_at,
        row.next_number,
        &row.rotation_id,
        row.probe_at,
        row.deleted_at,
        row.revision,
        &row.mac,
        read,
    )?;
    if updated == 1 { Ok(Written::of(&row)) } else { Err(StoreError::Stale { what: "secret" }) }
}

fn checked(keyring: &Keyring, tenant: &TenantId, row: Option<SecretRow>) -> Result<Option<Secret>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    if row.tenant_id != tenant.as_str() {
        return Err(row.tampered(None));
    }
    row.into_secret(keyring).map(Some)
}

/// Finds a secret by its name.
pub async fn find_by_name(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    name: &Name,
) -> Result<Option<Secret>, StoreError> {
    let row: Option<SecretRow> = on!(tx, "find a secret by name", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, kind, owner, description, tags, target_id, settings, acknowledged,
                 overlap_us, recovery_us, expires_at, next_number, rotation_id, probe_at, deleted_at, created_at,
                 created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'secret' AND noted.row_id = secret.id) AS noted
             FROM secret WHERE tenant_id = $1 AND name = $2",
        )
        .bind(tenant.as_str())
        .bind(name.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    if let Some(row) = &row
        && row.name != name.as_str()
    {
        return Err(row.tampered(None));
    }
    checked(keyring, tenant, row)
}

/// Finds a secret by its id.
pub async fn find(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    id: &SecretId,
) -> Result<Option<Secret>, StoreError> {
    let row: Option<SecretRow> = on!(tx, "find a secret", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, kind, owner, description, tags, target_id, settings, acknowledged,
                 overlap_us, recovery_us, expires_at, next_number, rotation_id, probe_at, deleted_at, created_at,
                 created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'secret' AND noted.row_id = secret.id) AS noted
             FROM secret WHERE id = $1",
        )
        .bind(id.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    checked(keyring, tenant, row)
}

/// Secrets of a tenant by name, after a cursor (a name; empty for the beginning), and below a prefix of the name.
pub async fn list(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    prefix: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Secret>, StoreError> {
    let rows: Vec<SecretRow> = on!(tx, "list secrets", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, kind, owner, description, tags, target_id, settings, acknowledged,
                 overlap_us, recovery_us, expires_at, next_number, rotation_id, probe_at, deleted_at, created_at,
                 created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'secret' AND noted.row_id = secret.id) AS noted
             FROM secret WHERE tenant_id = $1 AND name >= $2 AND name < $3 AND name > $4 ORDER BY name LIMIT $5",
        )
        .bind(tenant.as_str())
        .bind(prefix)
        .bind(end_of_prefix(prefix))
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_secret(keyring)).collect()
}

/// The first text after all texts with a prefix: the highest code point is no character of a name.
fn end_of_prefix(prefix: &str) -> String {
    format!("{prefix}\u{10FFFF}")
}

/// The secrets that take effect at a target.
pub async fn list_of_target(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    target: &TargetId,
) -> Result<Vec<Secret>, StoreError> {
    let rows: Vec<SecretRow> = on!(tx, "list the secrets of a target", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, kind, owner, description, tags, target_id, settings, acknowledged,
                 overlap_us, recovery_us, expires_at, next_number, rotation_id, probe_at, deleted_at, created_at,
                 created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'secret' AND noted.row_id = secret.id) AS noted
             FROM secret WHERE target_id = $2 AND tenant_id = $1 ORDER BY name",
        )
        .bind(tenant.as_str())
        .bind(target.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_secret(keyring)).collect()
}

/// The secrets of a type, by name.
pub async fn list_of_kind(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    kind: &str,
) -> Result<Vec<Secret>, StoreError> {
    let rows: Vec<SecretRow> = on!(tx, "list the secrets of a type", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, kind, owner, description, tags, target_id, settings, acknowledged,
                 overlap_us, recovery_us, expires_at, next_number, rotation_id, probe_at, deleted_at, created_at,
                 created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'secret' AND noted.row_id = secret.id) AS noted
             FROM secret WHERE tenant_id = $1 AND kind = $2 ORDER BY name",
        )
        .bind(tenant.as_str())
        .bind(kind)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_secret(keyring)).collect()
}

/// Deletes the row of a secret that is purged; its events stay.
pub async fn delete(tx: &mut Tx, tenant: &TenantId, id: &SecretId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM row_mac WHERE kind = 'version' AND row_id IN (SELECT id FROM version WHERE secret_id = $1 AND tenant_id = $2)",
        "DELETE FROM version WHERE secret_id = $1 AND tenant_id = $2",
        "DELETE FROM schedule WHERE secret_id = $1 AND tenant_id = $2",
        "DELETE FROM delivery WHERE secret_id = $1 AND tenant_id = $2",
        "DELETE FROM occurrence WHERE secret_id = $1 AND tenant_id = $2",
        "DELETE FROM rotation WHERE secret_id = $1 AND tenant_id = $2",
        "DELETE FROM row_mac WHERE kind IN ('secret', 'schedule') AND row_id = $1 AND $2 <> ''",
        "DELETE FROM row_mac WHERE kind = 'document' AND row_id IN
             (SELECT id FROM document WHERE name = $1 AND tenant_id = $2 AND kind = 'expiry')",
        "DELETE FROM document WHERE name = $1 AND tenant_id = $2 AND kind = 'expiry'",
        "DELETE FROM secret WHERE id = $1 AND tenant_id = $2",
    ] {
        execute!(tx, "purge a secret", sql, id.as_str(), tenant.as_str())?;
    }
    super::agenda::delete(tx, id.as_str()).await
}
