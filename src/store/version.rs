//! Versions: the sealed values of secrets.

use super::{
    StoreError, Tx, Written,
    codec::{Reader, at, us},
    integrity::MacRow,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    keyring::Keyring,
    model::{Actor, KeyId, RotationId, SecretId, Stage, TenantId, Version, VersionId},
};

super::integrity::mac_row!(VersionRow in "version" by id, |row| row.revision; {
    id: String,
    tenant_id: String,
    secret_id: String,
    number: Option<i64>,
    stage: String,
    identity: String,
    key_id: String,
    token: Option<Vec<u8>>,
    fingerprint: String,
    rotation_id: Option<String>,
    created_at: i64,
    created_by: String,
    published_at: Option<i64>,
    retire_at: Option<i64>,
    retired_at: Option<i64>,
    deleted_at: Option<i64>,
    deactivated_at: Option<i64>,
    destroyed_at: Option<i64>,
    revision: i64,
});

impl VersionRow {
    fn of(version: &Version, keyring: &Keyring) -> Result<Self, StoreError> {
        let mut row = Self {
            id: version.id.as_str().to_owned(),
            tenant_id: version.tenant.as_str().to_owned(),
            secret_id: version.secret.as_str().to_owned(),
            number: version.number,
            stage: version.stage.as_str().to_owned(),
            identity: version.identity.clone(),
            key_id: version.key.as_str().to_owned(),
            token: version.token.clone(),
            fingerprint: version.fingerprint.clone(),
            rotation_id: version.rotation.clone().map(String::from),
            created_at: micros(version.created_at),
            created_by: version.created_by.as_str().to_owned(),
            published_at: us(version.published_at),
            retire_at: us(version.retire_at),
            retired_at: us(version.retired_at),
            deleted_at: us(version.deleted_at),
            deactivated_at: us(version.deactivated_at),
            destroyed_at: us(version.destroyed_at),
            revision: version.revision,
            mac: Vec::new(),
            noted: None,
        };
        row.mac = row.make_mac(keyring)?;
        Ok(row)
    }

    fn into_version(self, keyring: &Keyring) -> Result<Version, StoreError> {
        self.check_mac(keyring)?;
        self.check_latest()?;
        let reader = Reader { table: "version", row: &self.id };
        Ok(Version {
            id: reader.id("id", VersionId::parse, &self.id)?,
            tenant: reader.id("tenant_id", TenantId::parse, &self.tenant_id)?,
            secret: reader.id("secret_id", SecretId::parse, &self.secret_id)?,
            stage: reader.word("stage", Stage::parse(&self.stage), &self.stage)?,
            key: reader.id("key_id", KeyId::parse, &self.key_id)?,
            rotation: reader.optional("rotation_id", RotationId::parse, self.rotation_id.as_deref())?,
            number: self.number,
            identity: self.identity,
            token: self.token,
            fingerprint: self.fingerprint,
            created_at: from_micros(self.created_at),
            created_by: Actor::from_stored(self.created_by),
            published_at: at(self.published_at),
            retire_at: at(self.retire_at),
            retired_at: at(self.retired_at),
            deleted_at: at(self.deleted_at),
            deactivated_at: at(self.deactivated_at),
            destroyed_at: at(self.destroyed_at),
            revision: self.revision,
        })
    }
}

/// Inserts a new version, at its revision.
pub async fn insert(tx: &mut Tx, keyring: &Keyring, version: &Version) -> Result<Written, StoreError> {
    let row = VersionRow::of(version, keyring)?;
    execute!(
        tx,
        "insert a version",
        "INSERT INTO version (id, tenant_id, secret_id, number, stage, identity, key_id, token, fingerprint,
             rotation_id, created_at, created_by, published_at, retire_at, retired_at, deleted_at, deactivated_at,
             destroyed_at, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)",
        &row.id,
        &row.tenant_id,
        &row.secret_id,
        row.number,
        &row.stage,
        &row.identity,
        &row.key_id,
        &row.token,
        &row.fingerprint,
        &row.rotation_id,
        row.created_at,
        &row.created_by,
        row.published_at,
        row.retire_at,
        row.retired_at,
        row.deleted_at,
        row.deactivated_at,
        row.destroyed_at,
        row.revision,
        &row.mac,
    )?;
    Ok(Written::of(&row))
}

/// Writes a changed version over the revision that was read, and gives it the next one.
pub async fn update(tx: &mut Tx, keyring: &Keyring, version: &mut Version) -> Result<Written, StoreError> {
    let read = version.revision;
    version.revision += 1;
    let row = VersionRow::of(version, keyring)?;
    let updated = execute!(
        tx,
        "change a version",
        "UPDATE version SET number = $3, stage = $4, identity = $5, key_id = $6, token = $7, fingerprint = $8,
             published_at = $9, retire_at = $10, retired_at = $11, deleted_at = $12, deactivated_at = $13,
             destroyed_at = $14, revision = $15, mac = $16
         WHERE id = $1 AND tenant_id = $2 AND revision = $17",
        &row.id,
        &row.tenant_id,
        row.number,
        &row.stage,
        &row.identity,
        &row.key_id,
        &row.token,
        &row.fingerprint,
        row.published_at,
        row.retire_at,
        row.retired_at,
        row.deleted_at,
        row.deactivated_at,
        row.destroyed_at,
        row.revision,
        &row.mac,
        read,
    )?;
    if updated == 1 { Ok(Written::of(&row)) } else { Err(StoreError::Stale { what: "version" }) }
}

/// The versions of a secret, oldest first.
pub async fn list(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    secret: &SecretId,
) -> Result<Vec<Version>, StoreError> {
    let rows: Vec<VersionRow> = on!(tx, "list versions", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, secret_id, number, stage, identity, key_id, token, fingerprint, rotation_id,
                 created_at, created_by, published_at, retire_at, retired_at, deleted_at, deactivated_at,
                 destroyed_at, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'version' AND noted.row_id = version.id) AS noted
             FROM version WHERE secret_id = $1 AND tenant_id = $2 ORDER BY id",
        )
        .bind(secret.as_str())
        .bind(tenant.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_version(keyring)).collect()
}

/// The versions that are at work: candidates, the current one, and previous ones that wait for their retirement.
pub async fn list_live(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    secret: &SecretId,
) -> Result<Vec<Version>, StoreError> {
    let rows: Vec<VersionRow> = on!(tx, "list live versions", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, secret_id, number, stage, identity, key_id, token, fingerprint, rotation_id,
                 created_at, created_by, published_at, retire_at, retired_at, deleted_at, deactivated_at,
                 destroyed_at, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'version' AND noted.row_id = version.id) AS noted
             FROM version WHERE secret_id = $1 AND tenant_id = $2 AND (stage <> 'retired' OR retired_at IS NULL) ORDER BY id",
        )
        .bind(secret.as_str())
        .bind(tenant.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_version(keyring)).collect()
}

/// Finds the current version.
pub async fn find_current(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    secret: &SecretId,
) -> Result<Option<Version>, StoreError> {
    let live = list_live(tx, keyring, tenant, secret).await?;
    Ok(live.into_iter().find(|version| version.stage == Stage::Current))
}

/// Finds a version by its id.
pub async fn find(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    id: &VersionId,
) -> Result<Option<Version>, StoreError> {
    let row: Option<VersionRow> = on!(tx, "find a version", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, secret_id, number, stage, identity, key_id, token, fingerprint, rotation_id,
                 created_at, created_by, published_at, retire_at, retired_at, deleted_at, deactivated_at,
                 destroyed_at, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'version' AND noted.row_id = version.id) AS noted
             FROM version WHERE id = $1 AND tenant_id = $2",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    let Some(row) = row else { return Ok(None) };
    row.into_version(keyring).map(Some)
}

/// Versions that are sealed under another generation of the root, for re-encryption; some at a time.
pub async fn list_sealed_before(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    newest: &KeyId,
    limit: i64,
) -> Result<Vec<Version>, StoreError> {
    let rows: Vec<VersionRow> = on!(tx, "list versions under older roots", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, secret_id, number, stage, identity, key_id, token, fingerprint, rotation_id,
                 created_at, created_by, published_at, retire_at, retired_at, deleted_at, deactivated_at,
                 destroyed_at, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'version' AND noted.row_id = version.id) AS noted
             FROM version WHERE tenant_id = $1 AND key_id < $2 ORDER BY key_id, id LIMIT $3",
        )
        .bind(tenant.as_str())
        .bind(newest.as_str())
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_version(keyring)).collect()
}
