//! Audit rows of reads: durable before the value is answered (I8).

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx,
    integrity::MacRow,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    keyring::Keyring,
    model::{Actor, EventId, SecretId, TenantId, VersionId},
};

super::integrity::mac_row!(Row in "read_audit" by id, |_| 1; {
    id: String,
    tenant_id: String,
    secret_id: String,
    version_id: String,
    reader: String,
    via: String,
    at: i64,
});

/// A read of a value.
#[derive(Debug, Clone)]
pub struct Read {
    /// Its id.
    pub id: EventId,
    /// The tenant.
    pub tenant: TenantId,
    /// The secret.
    pub secret: SecretId,
    /// The version whose value was answered.
    pub version: VersionId,
    /// Who read.
    pub reader: Actor,
    /// By which way: `api`, `delivery`.
    pub via: &'static str,
    /// When.
    pub at: DateTime<Utc>,
}

/// Records a read.
pub async fn insert(tx: &mut Tx, keyring: &Keyring, read: &Read) -> Result<(), StoreError> {
    let mut row = Row {
        id: read.id.as_str().to_owned(),
        tenant_id: read.tenant.as_str().to_owned(),
        secret_id: read.secret.as_str().to_owned(),
        version_id: read.version.as_str().to_owned(),
        reader: read.reader.as_str().to_owned(),
        via: read.via.to_owned(),
        at: micros(read.at),
        mac: Vec::new(),
        noted: None,
    };
    row.mac = row.make_mac(keyring)?;
    execute!(
        tx,
        "record a read",
        "INSERT INTO read_audit (id, tenant_id, secret_id, version_id, reader, via, at, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &row.id,
        &row.tenant_id,
        &row.secret_id,
        &row.version_id,
        &row.reader,
        &row.via,
        row.at,
        &row.mac,
    )?;
    Ok(())
}

/// Who read a secret since a time, with the version and time of each one's last read, the latest first.
pub async fn list_readers(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    secret: &SecretId,
    since: DateTime<Utc>,
) -> Result<Vec<(String, String, DateTime<Utc>)>, StoreError> {
    let rows: Vec<Row> = on!(tx, "list the readers of a secret", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, secret_id, version_id, reader, via, at, mac FROM (
                 SELECT id, tenant_id, secret_id, version_id, reader, via, at, mac,
                     ROW_NUMBER() OVER (PARTITION BY reader ORDER BY at DESC, id DESC) AS place
                 FROM read_audit WHERE secret_id = $1 AND tenant_id = $2 AND at >= $3) AS placed
             WHERE place = 1 ORDER BY at DESC, id DESC LIMIT 100",
        )
        .bind(secret.as_str())
        .bind(tenant.as_str())
        .bind(micros(since))
        .fetch_all(&mut *conn)
        .await
    })?;
    let mut readers = Vec::with_capacity(rows.len());
    for row in rows {
        row.check_mac(keyring)?;
        readers.push((row.reader, row.version_id, from_micros(row.at)));
    }
    Ok(readers)
}
