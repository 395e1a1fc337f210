//! Everything that decides what a secret needs next, read together.

use chrono::{DateTime, Utc};

use crate::{
    keyring::Keyring,
    model::{Occurrence, RotationId, ScheduleRow, Secret, SecretId, Stage, Target, TenantId, Version},
    rotation::{Recorded, Rotation, fold},
    store::{StoreError, Tx, delivery, delivery::Delivery, event, occurrence, schedule, secret, target, version},
};

/// A rotation that runs.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) id: RotationId,
    pub(super) fold: Rotation,
    pub(super) started_at: DateTime<Utc>,
    /// When its last event was written.
    pub(super) moved_at: DateTime<Utc>,
}

/// A secret with all that belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) secret: Secret,
    pub(super) schedule: Option<ScheduleRow>,
    /// Open occurrences, oldest first.
    pub(super) open: Vec<Occurrence>,
    /// Versions at work, oldest first.
    pub(super) live: Vec<Version>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) target: Option<Target>,
    pub(super) running: Option<Running>,
}

impl Subject {
    pub(super) fn current(&self) -> Option<&Version> {
        self.live.iter().find(|version| version.stage == Stage::Current)
    }

    /// Versions that were current and may still be accepted, oldest first.
    pub(super) fn previous(&self) -> impl Iterator<Item = &Version> {
        self.live.iter().filter(|version| version.stage == Stage::Previous)
    }

    /// Whether every delivery has the current version.
    pub(super) fn is_delivered(&self) -> bool {
        let current = self.current().map(|version| &version.id);
        self.deliveries.iter().all(|delivery| delivery.delivered.as_ref() == current)
    }
}

/// Reads a secret with all that belongs to it.
pub(super) async fn load(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    id: &SecretId,
) -> Result<Option<Subject>, StoreError> {
    let Some(secret) = secret::find(tx, keyring, tenant, id).await? else { return Ok(None) };
    let target = match &secret.target {
        Some(id) => target::find(tx, keyring, tenant, id).await?,
        None => None,
    };
    let running = match &secret.rotation {
        Some(rotation) => Some(load_running(tx, keyring, tenant, rotation).await?),
        None => None,
    };
    Ok(Some(Subject {
        schedule: schedule::find(tx, keyring, tenant, id).await?,
        open: occurrence::list_open(tx, tenant, id).await?,
        live: version::list_live(tx, keyring, tenant, id).await?,
        deliveries: delivery::list(tx, tenant, id).await?,
        secret,
        target,
        running,
    }))
}

/// Reads the journal of a rotation and folds it.
pub(super) async fn load_running(
    tx: &mut Tx,
    keyring: &Keyring,
    tenant: &TenantId,
    rotation: &RotationId,
) -> Result<Running, StoreError> {
    let unreadable = |because: String| StoreError::Unreadable { table: "event", row: rotation.to_string(), because };
    let journal = event::list_journal(tx, keyring, tenant, rotation).await?;
    let recorded = journal
        .iter()
        .map(|event| Recorded::from_wire(&event.kind, &event.facts))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(error.to_string()))?;
    let fold = fold(&recorded).map_err(|error| unreadable(error.to_string()))?;
    let (Some(first), Some(last)) = (journal.first(), journal.last()) else {
        return Err(unreadable("its journal is empty".to_owned()));
    };
    Ok(Running { id: rotation.clone(), fold, started_at: first.at, moved_at: last.at })
}
