//! Everything that decides what a secret needs next, read together.
//!
//! What was read serves on while nobody else has written: every write to a secret, its versions, its schedule, its
//! occurrences and its deliveries appends an event of the secret (what the holder of the claim notes without one, it
//! knows; new time-zone data that move no due time matter to nobody). So a step that finds its event numbered next
//! goes on with what it knows, and any other number means: read again.

use chrono::{DateTime, Utc};

use super::notices::warn::{Expiry, find_expiry};
use crate::{
    keyring::Keyring,
    model::{Name, Occurrence, RotationId, ScheduleRow, Secret, SecretId, Stage, Target, TenantId, Version, VersionId},
    rotation::{Recorded, Rotation, fold},
    store::{
        StoreError, Tx, Written, delivery, delivery::Delivery, event, occurrence, schedule, secret, target, version,
    },
};

/// A rotation that runs.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) id: RotationId,
    pub(super) fold: Rotation,
    pub(super) started_at: DateTime<Utc>,
    /// When its last event was written.
    pub(super) moved_at: DateTime<Utc>,
    /// The rows that its events name.
    pub(super) named: Vec<Written>,
    /// The number of the secret's last event; none once somebody else has written between the rotation's events.
    pub(super) seq: Option<i64>,
}

impl Running {
    /// After so many events of its own, the last of which got a number: a gap says that somebody else wrote.
    pub(super) fn numbered(self, seq: Option<i64>, count: usize) -> Self {
        let expected = self.seq.and_then(|before| before.checked_add(i64::try_from(count).ok()?));
        Self { seq: expected.filter(|_| expected == seq), ..self }
    }
}

/// A secret with all that belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) secret: Secret,
    /// The number of the last event that is known. Others' writes after it have greater numbers.
    pub(super) seq: i64,
    pub(super) schedule: Option<ScheduleRow>,
    /// Open occurrences, oldest first.
    pub(super) open: Vec<Occurrence>,
    /// Versions at work, oldest first.
    pub(super) live: Vec<Version>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) target: Option<Target>,
    pub(super) running: Option<Running>,
    /// What somebody decided of its expiry, and what was told.
    pub(super) expiry: Option<Expiry>,
    /// The target with its admin's credentials, once a step has resolved it.
    pub(super) resolved: Option<keywheel_contract::Target>,
}

impl Subject {
    /// Whether nobody has written since this was read. The caller holds the agenda row, so that this stays true until
    /// its commit.
    pub(super) async fn stands(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let target = self.target.as_ref();
        let (seq, revision) =
            event::last_seq_and_target(tx, self.secret.id.as_str(), target.map(|target| &target.id)).await?;
        Ok(seq == self.seq && revision == target.map(|target| target.revision))
    }

    pub(super) fn current(&self) -> Option<&Version> {
        self.live.iter().find(|version| version.stage == Stage::Current)
    }

    /// The secret that holds the target's admin credential.
    pub(super) fn admin(&self) -> Option<&Name> {
        self.target.as_ref().and_then(|target| target.admin.as_ref())
    }

    /// A version that is at work.
    pub(super) fn find_live(&self, id: &VersionId) -> Option<&Version> {
        self.live.iter().find(|version| version.id == *id)
    }

    /// Whether a planned moment has come that nothing was written for.
    pub(super) fn is_fire_due(&self, now: DateTime<Utc>) -> bool {
        let live = self.schedule.as_ref().filter(|schedule| schedule.paused_at.is_none());
        live.and_then(|schedule| schedule.next_due_at).is_some_and(|due| due <= now)
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
    // Before the rows: what is written meanwhile then has a greater number, and is read again.
    let seq = event::last_seq(tx, id.as_str()).await?;
    let Some(secret) = secret::find(tx, keyring, tenant, id).await? else { return Ok(None) };
    let target = match &secret.target {
        Some(id) => target::find(tx, keyring, tenant, id).await?,
        None => None,
    };
    let running = match &secret.rotation {
        Some(rotation) => {
            let running = load_running(tx, keyring, tenant, rotation).await?;
            Some(Running { seq: Some(seq), ..running })
        }
        None => None,
    };
    let live = version::list_live(tx, keyring, tenant, id).await?;
    let named = running.iter().flat_map(|running: &Running| &running.named);
    refuse_older(named, &secret, &live)?;
    // What never expires is not looked up.
    let expiry = match secret.expires_at {
        Some(_) => find_expiry(tx, keyring, &secret).await?,
        None => None,
    };
    Ok(Some(Subject {
        expiry,
        schedule: schedule::find(tx, keyring, tenant, id).await?,
        open: occurrence::list_open(tx, tenant, id).await?,
        live,
        deliveries: delivery::list(tx, tenant, id).await?,
        secret,
        seq,
        target,
        running,
        resolved: None,
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
    let (started_at, moved_at, seq) = (first.at, last.at, None);
    let named = journal.into_iter().flat_map(|event| event.written).collect();
    Ok(Running { id: rotation.clone(), fold, started_at, moved_at, named, seq })
}

/// Refuses rows that are older than the journal says: somebody put them back.
fn refuse_older<'w>(
    mut named: impl Iterator<Item = &'w Written>,
    secret: &Secret,
    live: &[Version],
) -> Result<(), StoreError> {
    let is_older = |written: &&Written| match written.table.as_str() {
        "secret" => written.row == secret.id.as_str() && secret.revision < written.revision,
        "version" => live.iter().any(|row| written.row == row.id.as_str() && row.revision < written.revision),
        _ => false,
    };
    match named.find(is_older) {
        None => Ok(()),
        Some(older) => {
            let table = if older.table == "secret" { "secret" } else { "version" };
            Err(StoreError::Tampered { table, row: older.row.clone(), source: None })
        }
    }
}
