//! Recording: events of a rotation, under the claim, with the line that lists it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Engine,
    alerts::Wrong,
    load::Running,
    runner::{RunError, Runner},
};
use crate::{
    model::{Actor, EventId, RotationId, SecretId, TenantId},
    rotation::{Recorded, Rotation, Status, transition},
    store::{
        NewEvent, StoreError, Tx, Written, agenda, event,
        rotation::{Entry, put},
    },
};

/// What an entry of a journal is about.
#[derive(Debug, Clone)]
pub(crate) struct JournalOf {
    pub(crate) tenant: TenantId,
    pub(crate) secret: SecretId,
    pub(crate) rotation: RotationId,
    pub(crate) actor: Actor,
    pub(crate) reason: String,
}

impl Engine {
    /// Appends one event to a rotation's journal, after the last that is known; answers its number.
    pub(crate) async fn append_recorded(
        &self,
        tx: &mut Tx,
        of: &JournalOf,
        recorded: &Recorded,
        written: Vec<Written>,
        after: Option<i64>,
    ) -> Result<i64, StoreError> {
        let (kind, facts) = recorded.to_wire();
        let new = NewEvent {
            id: self.mint(EventId::mint),
            tenant: of.tenant.clone(),
            subject: of.secret.as_str().to_owned(),
            rotation: Some(of.rotation.clone()),
            kind,
            facts,
            written,
            actor: of.actor.clone(),
            reason: of.reason.clone(),
            at: self.now(),
        };
        event::append_after(tx, self.keyring(), new, after).await
    }

    /// Writes the line that lists a rotation.
    pub(crate) async fn list_rotation(
        &self,
        tx: &mut Tx,
        of: &JournalOf,
        fold: &Rotation,
        started_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let entry = Entry {
            id: of.rotation.clone(),
            secret: of.secret.clone(),
            status: fold.status.word().to_owned(),
            detail: detail_of(fold),
            started_at,
            ended_at: fold.status.is_final().then(|| self.now()),
        };
        if entry.ended_at.is_some() {
            self.counts.rotation_ended(fold.status.word());
        }
        put(tx, &of.tenant, &entry).await
    }
}

fn detail_of(fold: &Rotation) -> String {
    match &fold.status {
        Status::Published { number, .. } => format!("version {number}"),
        Status::Unwinding { because, .. }
        | Status::Reverting { because }
        | Status::Reverted { because }
        | Status::Stuck { because }
        | Status::Unwound { because } => because.sentence.clone(),
        _ => fold.failure.as_ref().map(|because| because.sentence.clone()).unwrap_or_default(),
    }
}

/// What the fold becomes; an event that cannot follow is a defect of the engine, and nothing is written then.
pub(crate) fn follow(mut fold: Rotation, events: &[Recorded]) -> Result<Rotation, StoreError> {
    for event in events {
        fold = transition(fold, event).map_err(|error| StoreError::Unreadable {
            table: "event",
            row: event.kind().to_owned(),
            because: error.to_string(),
        })?;
    }
    Ok(fold)
}

impl Runner {
    pub(super) fn journal_of(&self, rotation: &RotationId) -> JournalOf {
        JournalOf {
            tenant: self.claim.tenant.clone(),
            secret: self.secret.clone(),
            rotation: rotation.clone(),
            actor: Actor::daemon(),
            reason: String::new(),
        }
    }

    /// Records events that change no row but the journal's own.
    pub(super) async fn record(&self, running: &Running, events: Vec<Recorded>) -> Result<Running, RunError> {
        let (now, count) = (self.engine.now(), events.len());
        let fold = follow(running.fold.clone(), &events)?;
        let (engine, claim, of) = (Arc::clone(&self.engine), self.claim.clone(), self.journal_of(&running.id));
        let (after, started_at, mut seq) = (fold.clone(), running.started_at, running.seq);
        let seq = self
            .engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    for event in &events {
                        seq = Some(engine.append_recorded(tx, &of, event, Vec::new(), seq).await?);
                    }
                    if let Status::Stuck { because } = &after.status {
                        engine.open_alert(tx, &of.tenant, &Wrong::stuck(&of.secret, because)).await?;
                    }
                    engine.list_rotation(tx, &of, &after, started_at).await?;
                    Ok::<_, StoreError>(seq)
                })
            })
            .await?;
        Ok(Running { fold, moved_at: now, ..running.clone() }.numbered(seq, count))
    }
}
