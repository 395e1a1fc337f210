//! Documents: the named, typed settings that people write in few rows: channels, routes, silences, and the expiry
//! rules of a secret. The body is JSON that its kind's reader checks; the row carries a MAC.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    StoreError, Tx, Written,
    codec::{Reader, json},
    integrity::MacRow,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    keyring::Keyring,
    model::{Actor, DocumentId, TenantId},
};

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its id, never reused.
    pub id: DocumentId,
    /// Its tenant.
    pub tenant: TenantId,
    /// `channel`, `route`, `silence` or `expiry`.
    pub kind: String,
    /// Its name, unique among those of its tenant and kind.
    pub name: String,
    /// What it says.
    pub body: Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Actor,
    /// Grows by one with each change; 0 before it is written.
    pub revision: i64,
}

super::integrity::mac_row!(DocumentRow in "document" by id, |row| row.revision; {
    id: String,
    tenant_id: String,
    kind: String,
    name: String,
    body: String,
    created_at: i64,
    created_by: String,
    revision: i64,
});

impl DocumentRow {
    fn of(document: &Document, keyring: &Keyring) -> Result<Self, StoreError> {
        let mut row = Self {
            id: document.id.as_str().to_owned(),
            tenant_id: document.tenant.as_str().to_owned(),
            kind: document.kind.clone(),
            name: document.name.clone(),
            body: json(&document.body),
            created_at: micros(document.created_at),
            created_by: document.created_by.as_str().to_owned(),
            revision: document.revision,
            mac: Vec::new(),
            noted: None,
        };
        row.mac = row.make_mac(keyring)?;
        Ok(row)
    }

    fn into_document(self, keyring: &Keyring) -> Result<Document, StoreError> {
        self.check_mac(keyring)?;
        self.check_latest()?;
        let reader = Reader { table: "document", row: &self.id };
        Ok(Document {
            id: reader.id("id", DocumentId::parse, &self.id)?,
            tenant: reader.id("tenant_id", TenantId::parse, &self.tenant_id)?,
            body: reader.json("body", &self.body)?,
            kind: self.kind,
            name: self.name,
            created_at: from_micros(self.created_at),
            created_by: Actor::from_stored(self.created_by),
            revision: self.revision,
        })
    }
}

/// Inserts a document, or writes a changed one over the revision that was read and gives it the next one.
pub async fn put(tx: &mut Tx, keyring: &Keyring, document: &mut Document) -> Result<Written, StoreError> {
    let read = document.revision;
    document.revision += 1;
    let row = DocumentRow::of(document, keyring)?;
    let changed = if read == 0 {
        execute!(
            tx,
            "insert a document",
            "INSERT INTO document (id, tenant_id, kind, name, body, created_at, created_by, revision, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (tenant_id, kind, name) DO NOTHING",
            &row.id,
            &row.tenant_id,
            &row.kind,
            &row.name,
            &row.body,
            row.created_at,
            &row.created_by,
            row.revision,
            &row.mac,
        )?
    } else {
        execute!(
            tx,
            "change a document",
            "UPDATE document SET body = $3, revision = $4, mac = $5
             WHERE id = $1 AND tenant_id = $2 AND revision = $6",
            &row.id,
            &row.tenant_id,
            &row.body,
            row.revision,
            &row.mac,
            read,
        )?
    };
    if changed == 1 { Ok(Written::of(&row)) } else { Err(StoreError::Stale { what: "document" }) }
}

/// Finds a document by its kind and name.
pub async fn find(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    kind: &str,
    name: &str,
) -> Result<Option<Document>, StoreError> {
    let row: Option<DocumentRow> = on!(tx, "find a document", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, kind, name, body, created_at, created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted
                  WHERE noted.kind = 'document' AND noted.row_id = document.id) AS noted
             FROM document WHERE tenant_id = $1 AND kind = $2 AND name = $3",
        )
        .bind(tenant.as_str())
        .bind(kind)
        .bind(name)
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(|row| row.into_document(keyring)).transpose()
}

/// Finds a document by its id.
pub async fn find_by_id(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    id: &DocumentId,
) -> Result<Option<Document>, StoreError> {
    let row: Option<DocumentRow> = on!(tx, "find a document by its id", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, kind, name, body, created_at, created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted
                  WHERE noted.kind = 'document' AND noted.row_id = document.id) AS noted
             FROM document WHERE id = $1 AND tenant_id = $2",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(|row| row.into_document(keyring)).transpose()
}

/// The documents of a kind after a name, by name.
pub async fn list(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    kind: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<Document>, StoreError> {
    let rows: Vec<DocumentRow> = on!(tx, "list documents", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, kind, name, body, created_at, created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted
                  WHERE noted.kind = 'document' AND noted.row_id = document.id) AS noted
             FROM document WHERE tenant_id = $1 AND kind = $2 AND name > $3 ORDER BY name LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(kind)
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_document(keyring)).collect()
}

/// Takes a document away; tells whether it was there.
pub async fn delete(tx: &mut Tx, tenant: &TenantId, id: &DocumentId) -> Result<bool, StoreError> {
    let deleted = execute!(
        tx,
        "delete a document",
        "DELETE FROM document WHERE id = $1 AND tenant_id = $2",
        id.as_str(),
        tenant.as_str(),
    )?;
    execute!(tx, "forget its note", "DELETE FROM row_mac WHERE kind = 'document' AND row_id = $1", id.as_str())?;
    Ok(deleted == 1)
}
