//! The journal of a rotation, read and written by these operations.

use super::asked::Asked;
use crate::{
    engine::{Kind, Trouble, journal::JournalOf},
    model::{RotationId, Secret},
    rotation::{Recorded, Rotation, fold, transition},
    store::{Event, Tx, Written, event, rotation, rotation::Entry},
};

/// A rotation as its journal tells it.
pub(super) struct Journal {
    pub(super) events: Vec<Event>,
    pub(super) fold: Rotation,
}

fn unreadable(rotation: &RotationId, because: &dyn std::fmt::Display) -> Trouble {
    let sentence = format!("the journal of `{rotation}` cannot be read: {because}");
    Trouble::new(Kind::Internal, "journal-unreadable", sentence, "`keywheel doctor` says what to restore")
}

impl Asked {
    /// Reads and folds a journal.
    pub(super) async fn journal(&self, tx: &mut Tx, rotation: &RotationId) -> Result<Journal, Trouble> {
        let events = event::list_journal(tx, self.keyring(), self.tenant(), rotation).await?;
        let recorded = events
            .iter()
            .map(|event| Recorded::from_wire(&event.kind, &event.facts))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unreadable(rotation, &error))?;
        let fold = fold(&recorded).map_err(|error| unreadable(rotation, &error))?;
        Ok(Journal { events, fold })
    }

    /// Records an event of a rotation and brings its line in the list up to date. The caller holds the secret's row.
    pub(super) async fn record(
        &self,
        tx: &mut Tx,
        secret: &Secret,
        entry: &Entry,
        step: Step<'_>,
    ) -> Result<Rotation, Trouble> {
        let next = transition(step.fold, &step.recorded).map_err(|error| {
            Trouble::new(Kind::Conflict, "rotation-moved-on", error.to_string(), "look at it again")
        })?;
        let of = JournalOf {
            tenant: self.tenant().clone(),
            secret: secret.id.clone(),
            rotation: entry.id.clone(),
            actor: self.actor.clone(),
            reason: step.reason.to_owned(),
        };
        self.engine.append_recorded(tx, &of, &step.recorded, step.written, None).await?;
        self.engine.list_rotation(tx, &of, &next, entry.started_at).await?;
        Ok(next)
    }

    /// Finds the line of a rotation that must exist.
    pub(super) async fn load_entry(&self, tx: &mut Tx, rotation: &str) -> Result<Entry, Trouble> {
        let missing = || Trouble::not_found("rotation", rotation);
        let id = RotationId::parse(rotation).map_err(|_| missing())?;
        rotation::find(tx, self.tenant(), &id).await?.ok_or_else(missing)
    }
}

/// What is about to be recorded, after what.
pub(super) struct Step<'a> {
    pub(super) fold: Rotation,
    pub(super) recorded: Recorded,
    pub(super) reason: &'a str,
    pub(super) written: Vec<Written>,
}
