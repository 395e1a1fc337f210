//! Schedules.

use super::{
    StoreError, Tx, Written,
    codec::{Reader, at, json, us},
    integrity::MacRow,
    tx::{execute, on},
};
use crate::{
    clock::{from_micros, micros},
    keyring::Keyring,
    model::{ScheduleRow as Schedule, SecretId, TenantId},
};

super::integrity::mac_row!(Row in "schedule" by secret_id, |row| row.revision; {
    secret_id: String,
    tenant_id: String,
    rule: String,
    paused_at: Option<i64>,
    pause_reason: String,
    counted_from: i64,
    next_due_at: Option<i64>,
    zone_data: String,
    revision: i64,
});

impl Row {
    fn of(schedule: &Schedule, keyring: &Keyring) -> Result<Self, StoreError> {
        let mut row = Self {
            secret_id: schedule.secret.as_str().to_owned(),
            tenant_id: schedule.tenant.as_str().to_owned(),
            rule: json(&schedule.rule),
            paused_at: us(schedule.paused_at),
            pause_reason: schedule.pause_reason.clone(),
            counted_from: micros(schedule.counted_from),
            next_due_at: us(schedule.next_due_at),
            zone_data: schedule.zone_data.clone(),
            revision: schedule.revision,
            mac: Vec::new(),
            noted: None,
        };
        row.mac = row.make_mac(keyring)?;
        Ok(row)
    }

    fn into_schedule(self, keyring: &Keyring) -> Result<Schedule, StoreError> {
        self.check_mac(keyring)?;
        self.check_latest()?;
        let reader = Reader { table: "schedule", row: &self.secret_id };
        Ok(Schedule {
            secret: reader.id("secret_id", SecretId::parse, &self.secret_id)?,
            tenant: reader.id("tenant_id", TenantId::parse, &self.tenant_id)?,
            rule: reader.json("rule", &self.rule)?,
            paused_at: at(self.paused_at),
            pause_reason: self.pause_reason,
            counted_from: from_micros(self.counted_from),
            next_due_at: at(self.next_due_at),
            zone_data: self.zone_data,
            revision: self.revision,
        })
    }
}

/// Inserts a schedule, or writes a changed one over the revision that was read and gives it the next one. A new one
/// has revision 0.
pub async fn put(tx: &mut Tx, keyring: &Keyring, schedule: &mut Schedule) -> Result<Written, StoreError> {
    let read = schedule.revision;
    schedule.revision += 1;
    let row = Row::of(schedule, keyring)?;
    let changed = if read == 0 {
        execute!(
            tx,
            "insert a schedule",
            "INSERT INTO schedule (secret_id, tenant_id, rule, paused_at, pause_reason, counted_from, next_due_at,
                 zone_data, revision, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (secret_id) DO NOTHING",
            &row.secret_id,
            &row.tenant_id,
            &row.rule,
            row.paused_at,
            &row.pause_reason,
            row.counted_from,
            row.next_due_at,
            &row.zone_data,
            row.revision,
            &row.mac,
        )?
    } else {
        execute!(
            tx,
            "change a schedule",
            "UPDATE schedule SET rule = $3, paused_at = $4, pause_reason = $5, counted_from = $6, next_due_at = $7,
                 zone_data = $8, revision = $9, mac = $10
             WHERE secret_id = $1 AND tenant_id = $2 AND revision = $11",
            &row.secret_id,
            &row.tenant_id,
            &row.rule,
            row.paused_at,
            &row.pause_reason,
            row.counted_from,
            row.next_due_at,
            &row.zone_data,
            row.revision,
            &row.mac,
            read,
        )?
    };
    if changed == 1 { Ok(Written::of(&row)) } else { Err(StoreError::Stale { what: "schedule" }) }
}

/// Finds the schedule of a secret.
pub async fn find(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    secret: &SecretId,
) -> Result<Option<Schedule>, StoreError> {
    let row: Option<Row> = on!(tx, "find a schedule", |conn| {
        sqlx::query_as(
            "SELECT secret_id, tenant_id, rule, paused_at, pause_reason, counted_from, next_due_at, zone_data,
                 revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'schedule' AND noted.row_id = schedule.secret_id) AS noted
             FROM schedule WHERE secret_id = $1 AND tenant_id = $2",
        )
        .bind(secret.as_str())
        .bind(tenant.as_str())
        .fetch_optional(&mut *conn)
        .await
    })?;
    let Some(row) = row else { return Ok(None) };
    row.into_schedule(keyring).map(Some)
}

/// Schedules of a tenant after a cursor (a secret's id; empty for the beginning).
pub async fn list(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    after: &str,
    limit: i64,
) -> Result<Vec<Schedule>, StoreError> {
    let rows: Vec<Row> = on!(tx, "list schedules", |conn| {
        sqlx::query_as(
            "SELECT secret_id, tenant_id, rule, paused_at, pause_reason, counted_from, next_due_at, zone_data,
                 revision, mac,
                 (SELECT noted.mac FROM row_mac AS noted WHERE noted.kind = 'schedule' AND noted.row_id = schedule.secret_id) AS noted
             FROM schedule WHERE tenant_id = $1 AND secret_id > $2 ORDER BY secret_id LIMIT $3",
        )
        .bind(tenant.as_str())
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await
    })?;
    rows.into_iter().map(|row| row.into_schedule(keyring)).collect()
}
