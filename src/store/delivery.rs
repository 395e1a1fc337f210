//! Deliveries: copies pushed elsewhere after publish.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    StoreError, Tx,
    codec::{Reader, at, json, us},
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    model::{DeliveryId, SecretId, TenantId, VersionId},
};

/// A delivery and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Its secret.
    pub secret: SecretId,
    /// Its name, unique within the secret.
    pub name: String,
    /// `files`.
    pub kind: String,
    /// What the kind asks for.
    pub settings: Value,
    /// The version that was delivered last.
    pub delivered: Option<VersionId>,
    /// When.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Failures in a row.
    pub attempts: i64,
    /// Not before this time again.
    pub next_at: Option<DateTime<Utc>>,
    /// The last failure, or nothing.
    pub last_error: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Grows by one with each change of its settings.
    pub revision: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    secret_id: String,
    name: String,
    kind: String,
    settings: String,
    delivered: Option<String>,
    delivered_at: Option<i64>,
    attempts: i64,
    next_at: Option<i64>,
    last_error: String,
    created_at: i64,
    revision: i64,
}

impl Row {
    fn into_delivery(self) -> Result<Delivery, StoreError> {
        let reader = Reader { table: "delivery", row: &self.id };
        Ok(Delivery {
            id: reader.id("id", DeliveryId::parse, &self.id)?,
            secret: reader.id("secret_id", SecretId::parse, &self.secret_id)?,
            settings: reader.json("settings", &self.settings)?,
            delivered: reader.optional("delivered", VersionId::parse, self.delivered.as_deref())?,
            name: self.name,
            kind: self.kind,
            delivered_at: at(self.delivered_at),
            attempts: self.attempts,
            next_at: at(self.next_at),
            last_error: self.last_error,
            created_at: from_micros(self.created_at),
            revision: self.revision,
        })
    }
}

/// Adds a delivery, or writes over the one of the same id.
pub async fn put(tx: &mut Tx, tenant: &TenantId, delivery: &Delivery) -> Result<(), StoreError> {
    execute!(
        tx,
        "put a delivery",
        "INSERT INTO delivery (id, tenant_id, secret_id, name, kind, settings, delivered, delivered_at, attempts,
             next_at, last_error, created_at, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, settings = excluded.settings,
             delivered = excluded.delivered, delivered_at = excluded.delivered_at, attempts = excluded.attempts,
             next_at = excluded.next_at, last_error = excluded.last_error, revision = excluded.revision",
        delivery.id.as_str(),
        tenant.as_str(),
        delivery.secret.as_str(),
        &delivery.name,
        &delivery.kind,
        json(&delivery.settings),
        delivery.delivered.as_ref().map(VersionId::as_str),
        us(delivery.delivered_at),
        delivery.attempts,
        us(delivery.next_at),
        &delivery.last_error,
        micros(delivery.created_at),
        delivery.revision,
    )?;
    Ok(())
}

/// The deliveries of a secret, by name.
pub async fn list(tx: &mut Tx, tenant: &TenantId, secret: &SecretId) -> Result<Vec<Delivery>, StoreError> {
    let rows: Vec<Row> = on!(tx, "list deliveries", |conn| {
        sqlx::query_as(
            "SELECT id, secret_id, name, kind, settings, delivered, delivered_at, attempts, next_at, last_error,
                 created_at, revision
             FROM delivery WHERE secret_id = $1 AND tenant_id = $2 ORDER BY name",
        )
        .bind(secret.as_str())
        .bind(tenant.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(Row::into_delivery).collect()
}

/// Takes a delivery away; tells whether it was there.
pub async fn delete(tx: &mut Tx, tenant: &TenantId, id: &DeliveryId) -> Result<bool, StoreError> {
    let deleted = execute!(
        tx,
        "delete a delivery",
        "DELETE FROM delivery WHERE id = $1 AND tenant_id = $2",
        id.as_str(),
        tenant.as_str(),
    )?;
    Ok(deleted == 1)
}
