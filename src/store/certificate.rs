//! Certificates: what authorities issued, by serial, and what of it was revoked.

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx, Written,
    codec::{Reader, at, json, us},
    integrity::MacRow,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    keyring::Keyring,
    model::{Actor, Certificate, CertificateId, SecretId, TenantId, VersionId},
};

super::integrity::mac_row!(CertificateRow in "certificate" by id, |row| row.revision; {
    id: String,
    tenant_id: String,
    issuer: String,
    serial: String,
    authority: String,
    secret_id: Option<String>,
    version_id: Option<String>,
    names: String,
    profile: String,
    not_before: i64,
    not_after: i64,
    pem: String,
    revoked_at: Option<i64>,
    revoked_because: String,
    created_at: i64,
    created_by: String,
    revision: i64,
});

impl CertificateRow {
    fn of(certificate: &Certificate, keyring: &Keyring) -> Result<Self, StoreError> {
        let mut row = Self {
            id: certificate.id.as_str().to_owned(),
            tenant_id: certificate.tenant.as_str().to_owned(),
            issuer: certificate.issuer.clone(),
            serial: certificate.serial.clone(),
            authority: certificate.authority.clone(),
            secret_id: certificate.secret.as_ref().map(|id| id.as_str().to_owned()),
            version_id: certificate.version.as_ref().map(|id| id.as_str().to_owned()),
            names: json(&certificate.names),
            profile: certificate.profile.clone(),
            not_before: micros(certificate.not_before),
            not_after: micros(certificate.not_after),
            pem: certificate.pem.clone(),
            revoked_at: us(certificate.revoked_at),
            revoked_because: certificate.revoked_because.clone(),
            created_at: micros(certificate.created_at),
            created_by: certificate.created_by.as_str().to_owned(),
            revision: certificate.revision,
            mac: Vec::new(),
            noted: None,
        };
        row.mac = row.make_mac(keyring)?;
        Ok(row)
    }

    fn into_certificate(self, keyring: &Keyring) -> Result<Certificate, StoreError> {
        self.check_mac(keyring)?;
        self.check_latest()?;
        let reader = Reader { table: "certificate", row: &self.id };
        Ok(Certificate {
            id: reader.id("id", CertificateId::parse, &self.id)?,
            tenant: reader.id("tenant_id", TenantId::parse, &self.tenant_id)?,
            secret: reader.optional("secret_id", SecretId::parse, self.secret_id.as_deref())?,
            version: reader.optional("version_id", VersionId::parse, self.version_id.as_deref())?,
            names: reader.json("names", &self.names)?,
            issuer: self.issuer,
            serial: self.serial,
            authority: self.authority,
            profile: self.profile,
            not_before: from_micros(self.not_before),
            not_after: from_micros(self.not_after),
            pem: self.pem,
            revoked_at: at(self.revoked_at),
            revoked_because: self.revoked_because,
            created_at: from_micros(self.created_at),
            created_by: Actor::from_stored(self.created_by),
            revision: self.revision,
        })
    }
}

/// Inserts a certificate; [`StoreError::Stale`] where its issuer has given the serial before.
pub async fn insert(tx: &mut Tx, keyring: &Keyring, certificate: &Certificate) -> Result<Written, StoreError> {
    let row = CertificateRow::of(certificate, keyring)?;
    let inserted = execute!(
        tx,
        "insert a certificate",
        "INSERT INTO certificate (id, tenant_id, issuer, serial, authority, secret_id, version_id, names, profile,
             not_before, not_after, pem, revoked_at, revoked_because, created_at, created_by, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (tenant_id, issuer, serial) DO NOTHING",
        &row.id,
        &row.tenant_id,
        &row.issuer,
        &row.serial,
        &row.authority,
        row.secret_id.as_deref(),
        row.version_id.as_deref(),
        &row.names,
        &row.profile,
        row.not_before,
        row.not_after,
        &row.pem,
        row.revoked_at,
        &row.revoked_because,
        row.created_at,
        &row.created_by,
        row.revision,
        &row.mac,
    )?;
    if inserted == 1 { Ok(Written::of(&row)) } else { Err(StoreError::Stale { what: "serial number" }) }
}

/// Writes the revocation of a certificate over the revision that was read.
pub async fn revoke(tx: &mut Tx, keyring: &Keyring, certificate: &mut Certificate) -> Result<Written, StoreError> {
    let read = certificate.revision;
    certificate.revision += 1;
    let row = CertificateRow::of(certificate, keyring)?;
    let changed = execute!(
        tx,
        "revoke a certificate",
        "UPDATE certificate SET revoked_at = $3, revoked_because = $4, revision = $5, mac = $6
         WHERE id = $1 AND tenant_id = $2 AND revision = $7",
        &row.id,
        &row.tenant_id,
        row.revoked_at,
        &row.revoked_because,
        row.revision,
        &row.mac,
        read,
    )?;
    if changed == 1 { Ok(Written::of(&row)) } else { Err(StoreError::Stale { what: "certificate" }) }
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant_id, issuer, serial, authority, secret_id, version_id, names, profile, not_before,
                 not_after, pem, revoked_at, revoked_because, created_at, created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted
                  WHERE noted.kind = 'certificate' AND noted.row_id = certificate.id) AS noted
             FROM certificate ",
            $rest
        )
    };
}

/// Finds certificates by serial number; more than one where several issuers gave the same.
pub async fn list_by_serial(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    serial: &str,
) -> Result<Vec<Certificate>, StoreError> {
    let rows: Vec<CertificateRow> = on!(tx, "find certificates by serial", |conn| {
        sqlx::query_as(select!("WHERE tenant_id = $1 AND serial = $2 ORDER BY id LIMIT 100"))
            .bind(tenant.as_str())
            .bind(serial)
            .fetch_all(&mut *conn)
            .await
    })?;
    rows.into_iter().map(|row| row.into_certificate(keyring)).collect()
}

/// The certificate of a secret with a serial number.
pub async fn find_of_secret(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    secret: &SecretId,
    serial: &str,
) -> Result<Option<Certificate>, StoreError> {
    let row: Option<CertificateRow> = on!(tx, "find the certificate of a secret", |conn| {
        sqlx::query_as(select!("WHERE tenant_id = $1 AND secret_id = $2 AND serial = $3 ORDER BY id DESC LIMIT 1"))
            .bind(tenant.as_str())
            .bind(secret.as_str())
            .bind(serial)
            .fetch_optional(&mut *conn)
            .await
    })?;
    row.map(|row| row.into_certificate(keyring)).transpose()
}

/// The certificates of the current versions of secrets, those that end first in front, at most 10,000.
pub async fn list_current(tx: &mut Tx, keyring: &Keyring, tenant: &TenantId) -> Result<Vec<Certificate>, StoreError> {
    let rows: Vec<CertificateRow> = on!(tx, "list the certificates of current versions", |conn| {
        sqlx::query_as(select!(
            "WHERE tenant_id = $1 AND EXISTS
                 (SELECT 1 FROM version WHERE version.secret_id = certificate.secret_id AND version.tenant_id = $1
                      AND version.stage = 'current' AND version.identity = certificate.serial)
             ORDER BY not_after, id LIMIT 10000"
        ))
        .bind(tenant.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_certificate(keyring)).collect()
}

/// Inserts the certificate of a version, unless the secret has it already: a kept one that comes back.
pub async fn insert_of_version(
    tx: &mut Tx,
    keyring: &Keyring,
    certificate: &Certificate,
) -> Result<Option<Written>, StoreError> {
    if let Some(secret) = &certificate.secret {
        let known = find_of_secret(tx, keyring, &certificate.tenant, secret, &certificate.serial).await?;
        if known.is_some_and(|known| known.pem == certificate.pem) {
            return Ok(None);
        }
    }
    insert(tx, keyring, certificate).await.map(Some)
}

/// A page of the certificates of an authority, or of all for an empty name, the newest first.
pub async fn list(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    authority: &str,
    before: &str,
    limit: i64,
) -> Result<Vec<Certificate>, StoreError> {
    let rows: Vec<CertificateRow> = on!(tx, "list certificates", |conn| {
        sqlx::query_as(select!(
            "WHERE tenant_id = $1 AND ($2 = '' OR authority = $2) AND ($3 = '' OR id < $3) ORDER BY id DESC LIMIT $4"
        ))
        .bind(tenant.as_str())
        .bind(authority)
        .bind(before)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_certificate(keyring)).collect()
}

/// The revoked certificates of an issuer's key that have not ended before a time.
pub async fn list_revoked(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    issuer: &str,
    ended_after: DateTime<Utc>,
) -> Result<Vec<Certificate>, StoreError> {
    let rows: Vec<CertificateRow> = on!(tx, "list revoked certificates", |conn| {
        sqlx::query_as(select!(
            "WHERE tenant_id = $1 AND issuer = $2 AND revoked_at IS NOT NULL AND not_after > $3 ORDER BY id"
        ))
        .bind(tenant.as_str())
        .bind(issuer)
        .bind(micros(ended_after))
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_certificate(keyring)).collect()
}

/// How many living certificates an issuer's key has, and when the last of them ends.
pub async fn outlook(
    tx: &mut Tx,
    tenant: &TenantId,
    issuer: &str,
    now: DateTime<Utc>,
) -> Result<(i64, Option<DateTime<Utc>>), StoreError> {
    let (count, last): (i64, Option<i64>) = on!(tx, "look at the certificates of a key", |conn| {
        sqlx::query_as(
            "SELECT COUNT(*), MAX(not_after) FROM certificate
             WHERE tenant_id = $1 AND issuer = $2 AND not_after > $3 AND revoked_at IS NULL",
        )
        .bind(tenant.as_str())
        .bind(issuer)
        .bind(micros(now))
        .fetch_one(&mut *conn)
        .await
    })?;
    Ok((count, at(last)))
}

/// Forgets certificates that ended before a time, at most `limit`; answers how many.
pub async fn prune(tx: &mut Tx, ended_before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    execute!(
        tx,
        "forget the notes of ended certificates",
        "DELETE FROM row_mac WHERE kind = 'certificate' AND row_id IN
             (SELECT id FROM certificate WHERE not_after < $1 ORDER BY id LIMIT $2)",
        micros(ended_before),
        limit,
    )?;
    execute!(
        tx,
        "forget ended certificates",
        "DELETE FROM certificate WHERE id IN (SELECT id FROM certificate WHERE not_after < $1 ORDER BY id LIMIT $2)",
        micros(ended_before),
        limit,
    )
}
