//! Targets.

use super::{
    StoreError, Tx, Written,
    codec::{Reader, json},
    integrity::MacRow,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    keyring::Keyring,
    model::{Actor, Name, Target, TargetId, TenantId},
};

super::integrity::mac_row!(TargetRow in "target" by id, |row| row.revision; {
    id: String,
    tenant_id: String,
    name: String,
    rotator: String,
    settings: String,
    admin: Option<String>,
    acknowledged: String,
    parallel: i64,
    breaker: String,
    created_at: i64,
    created_by: String,
    revision: i64,
});

impl TargetRow {
    fn of(target: &Target, keyring: &Keyring) -> Result<Self, StoreError> {
        let mut row = Self {
            id: target.id.as_str().to_owned(),
            tenant_id: target.tenant.as_str().to_owned(),
            name: target.name.as_str().to_owned(),
            rotator: target.rotator.clone(),
            settings: json(&target.settings),
            admin: target.admin.clone().map(String::from),
            acknowledged: json(&target.acknowledged),
            parallel: target.parallel,
            breaker: json(&target.breaker),
            created_at: micros(target.created_at),
            created_by: target.created_by.as_str().to_owned(),
            revision: target.revision,
            mac: Vec::new(),
            noted: None,
        };
        row.mac = row.make_mac(keyring)?;
        Ok(row)
    }

    fn into_target(self, keyring: &Keyring) -> Result<Target, StoreError> {
        self.check_mac(keyring)?;
        self.check_latest()?;
        let reader = Reader { table: "target", row: &self.id };
        Ok(Target {
            id: reader.id("id", TargetId::parse, &self.id)?,
            tenant: reader.id("tenant_id", TenantId::parse, &self.tenant_id)?,
            name: reader.id("name", Name::parse, &self.name)?,
            settings: reader.json("settings", &self.settings)?,
            admin: reader.optional("admin", Name::parse, self.admin.as_deref())?,
            acknowledged: reader.json("acknowledged", &self.acknowledged)?,
            breaker: reader.json("breaker", &self.breaker)?,
            rotator: self.rotator,
            parallel: self.parallel,
            created_at: from_micros(self.created_at),
            created_by: Actor::from_stored(self.created_by),
            revision: self.revision,
        })
    }
}

/// Inserts a new target, at its revision.
pub async fn insert(tx: &mut Tx, keyring: &Keyring, target: &Target) -> Result<Written, StoreError> {
    let row = TargetRow::of(target, keyring)?;
    let inserted = execute!(
        tx,
        "insert a target",
        "INSERT INTO target (id, tenant_id, name, rotator, settings, admin, acknowledged, parallel, breaker,
             created_at, created_by, revision, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (tenant_id, name) DO NOTHING",
        &row.id,
        &row.tenant_id,
        &row.name,
        &row.rotator,
        &row.settings,
        &row.admin,
        &row.acknowledged,
        row.parallel,
        &row.breaker,
        row.created_at,
        &row.created_by,
        row.revision,
        &row.mac,
    )?;
    if inserted == 1 {
        Ok(Written::of(&row))
    } else {
        Err(StoreError::Exists { what: "target", name: target.name.to_string() })
    }
}

/// Writes a changed target over the revision that was read, and gives it the next one.
pub async fn update(tx: &mut Tx, keyring: &Keyring, target: &mut Target) -> Result<Written, StoreError> {
    let read = target.revision;
    target.revision += 1;
    let row = TargetRow::of(target, keyring)?;
    let updated = execute!(
        tx,
        "change a target",
        "UPDATE target SET name = $3, rotator = $4, settings = $5, admin = $6, acknowledged = $7, parallel = $8,
             breaker = $9, revision = $10, mac = $11
         WHERE id = $1 AND tenant_id = $2 AND revision = $12",
        &row.id,
        &row.tenant_id,
        &row.name,
        &row.rotator,
        &row.settings,
        &row.admin,
        &row.acknowledged,
        row.parallel,
        &row.breaker,
        row.revision,
        &row.mac,
        read,
    )?;
    if updated == 1 { Ok(Written::of(&row)) } else { Err(StoreError::Stale { what: "target" }) }
}

/// Finds a target by its id.
pub async fn find(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    id: &TargetId,
) -> Result<Option<Target>, StoreError> {
    let row: Option<TargetRow> = on!(tx, "find a target", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, rotator, settings, admin, acknowledged, parallel, breaker, created_at,
                 created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'target' AND noted.row_id = target.id) AS noted
             FROM target WHERE id = $1 AND tenant_id = $2",
        )
        .bind(id.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(|row| row.into_target(keyring)).transpose()
}

/// Finds a target by its name.
pub async fn find_by_name(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    name: &Name,
) -> Result<Option<Target>, StoreError> {
    let row: Option<TargetRow> = on!(tx, "find a target by name", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, rotator, settings, admin, acknowledged, parallel, breaker, created_at,
                 created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'target' AND noted.row_id = target.id) AS noted
             FROM target WHERE tenant_id = $1 AND name = $2",
        )
        .bind(tenant.as_str())
        .bind(name.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    row.map(|row| row.into_target(keyring)).transpose()
}

/// The targets of a tenant, by name.
pub async fn list(tx: &mut Tx, keyring: &Keyring, tenant: &TenantId) -> Result<Vec<Target>, StoreError> {
    let rows: Vec<TargetRow> = on!(tx, "list targets", |conn| {
        sqlx::query_as(
            "SELECT id, tenant_id, name, rotator, settings, admin, acknowledged, parallel, breaker, created_at,
                 created_by, revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'target' AND noted.row_id = target.id) AS noted
             FROM target WHERE tenant_id = $1 ORDER BY name",
        )
        .bind(tenant.as_str())
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_target(keyring)).collect()
}

/// Deletes a target that no secret uses; tells whether it was there and unused.
pub async fn delete_if_unused(tx: &mut Tx, tenant: &TenantId, id: &TargetId) -> Result<bool, StoreError> {
    let deleted = execute!(
        tx,
        "delete a target",
        "DELETE FROM target WHERE id = $1 AND tenant_id = $2
         AND NOT EXISTS (SELECT 1 FROM secret WHERE target_id = $1)",
        id.as_str(),
        tenant.as_str(),
    )?;
    if deleted == 1 {
        execute!(
            tx,
            "forget a target's revision",
            "DELETE FROM row_mac WHERE kind = 'target' AND row_id = $1",
            id.as_str(),
        )?;
    }
    Ok(deleted == 1)
}
