//! A planned fire that came due becomes an occurrence, with those that were missed before it in one row.

use std::sync::Arc;

use super::{
    Engine,
    load::{Subject, load},
    runner::{RunError, Runner, Then},
};
use crate::{
    model::{Actor, Occurrence, OccurrenceEnd, OccurrenceId, OccurrenceOrigin},
    schedule::{Missed, NextDue},
    store::{Tx, agenda, event, occurrence, schedule},
};

impl Runner {
    /// Writes the occurrence and moves the plan on; repeated after a crash it finds the plan moved.
    pub(super) async fn fire(&self) -> Result<Then, RunError> {
        let (engine, claim, secret) = (Arc::clone(&self.engine), self.claim.clone(), self.secret.clone());
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    if let Some(subject) = load(tx, engine.keyring(), &claim.tenant, &secret).await? {
                        engine.record_fire(tx, &subject).await?;
                    }
                    Ok::<_, RunError>(())
                })
            })
            .await?;
        Ok(Then::LookAgain)
    }
}

impl Engine {
    async fn record_fire(&self, tx: &mut Tx, subject: &Subject) -> Result<(), RunError> {
        let now = self.now();
        let Some(row) = &subject.schedule else { return Ok(()) };
        let Some(due) = row.next_due_at.filter(|due| *due <= now && row.paused_at.is_none()) else { return Ok(()) };
        let fired = self.fired(row, subject, due)?;
        if let Some(skipped) = &fired.skipped {
            occurrence::insert(tx, &self.planned_occurrence(subject, skipped, true)).await?;
        }
        if let Some(wanted) = &fired.wanted {
            match subject.open.iter().find(|open| open.origin == OccurrenceOrigin::Planned) {
                Some(open) => {
                    let mut open = open.clone();
                    open.fires = open.fires.saturating_add(count_of(wanted));
                    open.last_at = wanted.last;
                    occurrence::update(tx, &open).await?;
                }
                None => occurrence::insert(tx, &self.planned_occurrence(subject, wanted, false)).await?,
            }
        }
        let mut row = row.clone();
        row.next_due_at = match fired.next {
            NextDue::At(next) => Some(next.at),
            NextDue::Never(_) => None,
        };
        let written = schedule::put(tx, self.keyring(), &mut row).await?;
        event::note_without_event(tx, &[written]).await?;
        Ok(())
    }

    fn planned_occurrence(&self, subject: &Subject, fired: &Missed, is_skipped: bool) -> Occurrence {
        let now = self.now();
        let why =
            if is_skipped { "its time passed while nothing could act, and the schedule says to skip" } else { "" };
        Occurrence {
            id: self.mint(OccurrenceId::mint),
            tenant: subject.secret.tenant.clone(),
            secret: subject.secret.id.clone(),
            origin: OccurrenceOrigin::Planned,
            end: is_skipped.then_some(OccurrenceEnd::Missed),
            first_at: fired.first,
            last_at: fired.last,
            fires: count_of(fired),
            attempts: 0,
            not_before: None,
            actor: Actor::daemon(),
            reason: "schedule".to_owned(),
            rotation: None,
            candidate_from: None,
            why: why.to_owned(),
            created_at: now,
            ended_at: is_skipped.then_some(now),
        }
    }
}

fn count_of(fires: &Missed) -> i64 {
    i64::try_from(fires.count).unwrap_or(i64::MAX)
}
