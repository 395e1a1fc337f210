//! Bearer tokens: what each may read and until when, found by the keyed hash of its text.
//!
//! The text itself is never kept. Looking it up by the hash of the whole text compares nothing that an asker can vary
//! a part of. Rows are never deleted: who read by a token stays known after its end.

use chrono::{DateTime, Utc};

use super::{
    StoreError, Tx, Written,
    codec::{Reader, at, json, us},
    integrity::MacRow,
    tx::{execute, on},
};
use crate::{
    access::{Grant, Life},
    clock::{from_micros, micros},
    keyring::Keyring,
    model::{Actor, TenantId, TokenId},
};

/// A bearer token without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id, never reused.
    pub id: TokenId,
    /// Its tenant.
    pub tenant: TenantId,
    /// What people call it; may be empty.
    pub name: String,
    /// The keyed hash of its text.
    pub hash: String,
    /// What it may read.
    pub grant: Grant,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Actor,
    /// When it ends.
    pub life: Life,
    /// Grows by one with each change; 1 when it is inserted.
    pub revision: i64,
}

super::integrity::mac_row!(TokenRow in "token" by id, |row| row.revision; {
    id: String,
    tenant_id: String,
    name: String,
    hash: String,
    patterns: String,
    created_at: i64,
    created_by: String,
    expires_at: i64,
    revoked_at: Option<i64>,
    revision: i64,
});

impl TokenRow {
    fn of(token: &Token, keyring: &Keyring) -> Result<Self, StoreError> {
        let patterns: Vec<String> = token.grant.patterns().iter().map(ToString::to_string).collect();
        let mut row = Self {
            id: token.id.as_str().to_owned(),
            tenant_id: token.tenant.as_str().to_owned(),
            name: token.name.clone(),
            hash: token.hash.clone(),
            patterns: json(&patterns),
            created_at: micros(token.created_at),
            created_by: token.created_by.as_str().to_owned(),
            expires_at: micros(token.life.expires_at),
            revoked_at: us(token.life.revoked_at),
            revision: token.revision,
            mac: Vec::new(),
            noted: None,
        };
        row.mac = row.make_mac(keyring)?;
        Ok(row)
    }

    fn into_token(self, keyring: &Keyring) -> Result<Token, StoreError> {
        self.check_mac(keyring)?;
        self.check_latest()?;
        let reader = Reader { table: "token", row: &self.id };
        let patterns: Vec<String> = reader.json("patterns", &self.patterns)?;
        let grant = Grant::parse(&patterns).map_err(|error| StoreError::Unreadable {
            table: "token",
            row: self.id.clone(),
            because: format!("`patterns`: {error}"),
        })?;
        Ok(Token {
            id: reader.id("id", TokenId::parse, &self.id)?,
            tenant: reader.id("tenant_id", TenantId::parse, &self.tenant_id)?,
            grant,
            name: self.name,
            hash: self.hash,
            created_at: from_micros(self.created_at),
            created_by: Actor::from_stored(self.created_by),
            life: Life { expires_at: from_micros(self.expires_at), revoked_at: at(self.revoked_at) },
            revision: self.revision,
        })
    }
}

/// Inserts a new token.
pub async fn insert(tx: &mut Tx, keyring: &Keyring, token: &Token) -> Result<Written, StoreError> {
    let row = TokenRow::of(token, keyring)?;
    let inserted = execute!(
        tx,
        "insert a token",
        "INSERT INTO token (id, tenant_id, name, hash, patterns, created_at, created_by, expires_at, revoked_at,
             revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT DO NOTHING",
        &row.id,
        &row.tenant_id,
        &row.name,
        &row.hash,
        &row.patterns,
        row.created_at,
        &row.created_by,
        row.expires_at,
        row.revoked_at,
        row.revision,
        &row.mac,
    )?;
    if inserted == 1 {
        Ok(Written::of(&row))
    } else {
        Err(StoreError::Exists { what: "token", name: token.id.to_string() })
    }
}

/// Writes a token's end over the revision that was read, and gives it the next one.
pub async fn update(tx: &mut Tx, keyring: &Keyring, token: &mut Token) -> Result<Written, StoreError> {
    let read = token.revision;
    token.revision += 1;
    let row = TokenRow::of(token, keyring)?;
    let updated = execute!(
        tx,
        "change a token",
        "UPDATE token SET revoked_at = $3, revision = $4, mac = $5
         WHERE id = $1 AND tenant_id = $2 AND revision = $6",
        &row.id,
        &row.tenant_id,
        row.revoked_at,
        row.revision,
        &row.mac,
        read,
    )?;
    if updated == 1 { Ok(Written::of(&row)) } else { Err(StoreError::Stale { what: "token" }) }
}

/// Finds a token by its id.
pub async fn find(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    id: &TokenId,
) -> Result<Option<Token>, StoreError> {
    let row: Option<TokenRow> = on!(tx, "find a token", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, hash, patterns, created_at, created_by, expires_at, revoked_at, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'token' AND noted.row_id = token.id) AS noted
             FROM token WHERE id = $1 AND tenant_id = $2",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(|row| row.into_token(keyring)).transpose()
}

/// Finds a token by the keyed hash of its whole text.
pub async fn find_by_hash(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    hash: &str,
) -> Result<Option<Token>, StoreError> {
    let row: Option<TokenRow> = on!(tx, "find a token by its hash", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, hash, patterns, created_at, created_by, expires_at, revoked_at, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'token' AND noted.row_id = token.id) AS noted
             FROM token WHERE hash = $1 AND tenant_id = $2",
        )
        .bind(hash)
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(|row| row.into_token(keyring)).transpose()
}

/// The tokens of a tenant after an id, in the order of their making.
pub async fn list(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    after: &str,
    limit: i64,
) -> Result<Vec<Token>, StoreError> {
    let rows: Vec<TokenRow> = on!(tx, "list tokens", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, hash, patterns, created_at, created_by, expires_at, revoked_at, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'token' AND noted.row_id = token.id) AS noted
             FROM token WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(tenant.as_str())
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_token(keyring)).collect()
}

/// Notes that a token was used; an earlier time changes nothing.
pub async fn note_use(tx: &mut Tx, tenant: &TenantId, id: &TokenId, used_at: DateTime<Utc>) -> Result<(), StoreError> {
    execute!(
        tx,
        "note the use of a token",
        "INSERT INTO token_use (token_id, tenant_id, used_at) VALUES ($1, $2, $3)
         ON CONFLICT (token_id) DO UPDATE SET used_at = excluded.used_at WHERE token_use.used_at < excluded.used_at",
        id.as_str(),
        tenant.as_str(),
        micros(used_at),
    )?;
    Ok(())
}

/// When a token was last used, to the minute.
pub async fn find_use(tx: &mut Tx, tenant: &TenantId, id: &TokenId) -> Result<Option<DateTime<Utc>>, StoreError> {
    let used_at: Option<i64> = on!(tx, "find the last use of a token", |conn| {
        sqlx::query_scalar("SELECT used_at FROM token_use WHERE token_id = $1 AND tenant_id = $2")
            .bind(id.as_str())
            .bind(tenant.as_str())
            .fetch_optional(&mut *conn)
            .await
    })?;
    Ok(at(used_at))
}
