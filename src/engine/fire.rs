//! A planned fire that came due becomes an occurrence, with those that were missed before it in one row.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    Engine, Trouble,
    due::{CountFrom, read},
    load::{Subject, load},
    runner::{RunError, Runner, Then},
};
use crate::{
    model::{Actor, Occurrence, OccurrenceEnd, OccurrenceId, OccurrenceOrigin, ScheduleRow},
    schedule::{GRACE, MissedPolicy, missed},
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
        let fired = count_fires(row, due, now)?;
        let is_skipped = skips(row)? && now - due > GRACE;
        let already_open = subject.open.iter().find(|open| open.origin == OccurrenceOrigin::Planned);
        match already_open {
            Some(open) if !is_skipped => {
                let mut open = open.clone();
                open.fires += fired.count;
                open.last_at = fired.last;
                occurrence::update(tx, &open).await?;
            }
            _ => occurrence::insert(tx, &self.planned_occurrence(subject, &fired, is_skipped)).await?,
        }
        let mut row = row.clone();
        let published_at = subject.current().and_then(|version| version.published_at);
        // Until a publish says otherwise, the plan goes on from this fire.
        let from = CountFrom { origin: now, published_at, now };
        row.next_due_at = self.next_due(&row, &subject.secret, from)?.map(|due| due.at);
        let written = schedule::put(tx, self.keyring(), &mut row).await?;
        event::note_without_event(tx, &[written]).await?;
        Ok(())
    }

    fn planned_occurrence(&self, subject: &Subject, fired: &Fired, is_skipped: bool) -> Occurrence {
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
            fires: fired.count,
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

/// The fires that one occurrence stands for.
struct Fired {
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    count: i64,
}

fn skips(row: &ScheduleRow) -> Result<bool, Trouble> {
    Ok(read(row)?.missed == MissedPolicy::Skip)
}

fn count_fires(row: &ScheduleRow, due: DateTime<Utc>, now: DateTime<Utc>) -> Result<Fired, Trouble> {
    let more = missed(&read(row)?.compile(), due, now);
    Ok(Fired {
        first: due,
        last: more.map_or(due, |missed| missed.last),
        count: 1 + more.map_or(0, |missed| i64::try_from(missed.count).unwrap_or(i64::MAX - 1)),
    })
}
