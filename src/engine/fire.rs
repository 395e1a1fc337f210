//! A planned fire that came due becomes an occurrence, with those that were missed before it in one row.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{
    Engine,
    due::CountFrom,
    load::{Subject, load},
    runner::{RunError, Runner, Then},
};
use crate::{
    clock::micros,
    model::{Actor, Occurrence, OccurrenceEnd, OccurrenceId, OccurrenceOrigin},
    schedule::{Missed, NextDue},
    store::{NewEvent, Tx, agenda, event, occurrence, schedule},
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

/// A plan that was made so far in the future was made by a wrong clock.
const FROM_THE_FUTURE: TimeDelta = TimeDelta::hours(24);

/// The same for a value that ends by itself: its life may not have begun by the clock as it is now. More than clocks of
/// replicas differ.
const LIVES_FROM_THE_FUTURE: TimeDelta = TimeDelta::minutes(15);

/// How far in the future the plan of a secret must have been made to be made anew.
pub(super) fn from_the_future(subject: &Subject) -> TimeDelta {
    if subject.secret.expires_at.is_some() { LIVES_FROM_THE_FUTURE } else { FROM_THE_FUTURE }
}

impl Runner {
    /// Makes the plan anew from now, after the clock was set back: what it counts from lies in the future. What ends by
    /// itself is due now: by one of the two clocks its life has not begun, by the other it goes on meanwhile.
    pub(super) async fn replan(&self) -> Result<Then, RunError> {
        let (engine, claim, secret) = (Arc::clone(&self.engine), self.claim.clone(), self.secret.clone());
        let new_event = |subject: &Subject| {
            let facts = serde_json::json!({ "v": 1, "because": "the clock was set back" });
            self.event_of(&subject.secret, "schedule.replanned", facts)
        };
        let mut tx = self.engine.store.read().await?;
        let Some(event) = self.load(&mut tx).await?.as_ref().map(new_event) else { return Ok(Then::LookAgain) };
        drop(tx);
        self.engine
            .store
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let Some(subject) = load(tx, engine.keyring(), &claim.tenant, &secret).await? else {
                        return Ok(());
                    };
                    let Some(mut row) = subject.schedule.clone() else { return Ok(()) };
                    let now = engine.now();
                    row.counted_from = now;
                    let lives = subject.secret.expires_at.map(|_| now);
                    let from = CountFrom { origin: now, published_at: lives, now };
                    let due = engine.next_due(&row, &subject.secret, from)?;
                    row.next_due_at = due.map(|due| lives.unwrap_or(due.at));
                    let written = vec![schedule::put(tx, engine.keyring(), &mut row).await?];
                    event::append(tx, engine.keyring(), NewEvent { written, ..event }).await?;
                    Ok::<_, RunError>(())
                })
            })
            .await?;
        Ok(Then::LookAgain)
    }
}

impl Engine {
    /// Has every secret looked at whose plan was made in the future: at start, and when the clock was set back.
    pub(super) async fn pull_plans_from_the_future(&self) {
        let now = self.now();
        let pulled = self
            .store
            .write(move |tx| {
                Box::pin(async move { agenda::pull_counted_after(tx, now + LIVES_FROM_THE_FUTURE, now).await })
            })
            .await;
        match pulled {
            Ok(0) => {}
            Ok(n) => tracing::warn!(secrets = n, "the clock was set back: plans are made anew"),
            Err(error) => tracing::warn!(code = error.code(), "cannot look for plans of the future: {error}"),
        }
    }

    /// Answers whether a planned moment has come; nothing is written where none has.
    pub(super) async fn record_fire(&self, tx: &mut Tx, subject: &Subject) -> Result<bool, RunError> {
        let now = self.now();
        let Some(row) = &subject.schedule else { return Ok(false) };
        let Some(due) = row.next_due_at.filter(|due| *due <= now && row.paused_at.is_none()) else { return Ok(false) };
        let fired = self.fired(row, subject, due)?;
        if let Some(skipped) = &fired.skipped {
            let missed = self.planned_occurrence(subject, skipped, true);
            occurrence::insert(tx, &missed).await?;
            let facts = serde_json::json!({
                "v": 1, "occurrence": missed.id, "fires": missed.fires, "first_at": micros(missed.first_at),
                "last_at": micros(missed.last_at), "why": missed.why,
            });
            self.append_of_secret(tx, &subject.secret, "schedule.missed", facts, Vec::new()).await?;
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
        Ok(true)
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
