//! The two ends of a rotation: published, or unwound.
//!
//! Publishing is one transaction: the version becomes current, the one before previous, the occurrences end and the
//! next due time is computed from the schedule as it then is. A crash before its commit leaves a rotation that
//! verifies and publishes again, after it one that is over.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use keywheel_contract::Overlap;
use serde_json::json;

use super::{
    Engine, Trouble,
    alerts::{Wrong, kind},
    due::CountFrom,
    journal::{JournalOf, follow},
    load::{Running, Subject, load},
    runner::{RunError, Runner, Then},
};
use crate::{
    clock::{from_micros, micros},
    model::{Occurrence, OccurrenceEnd, OccurrenceId, OccurrenceOrigin, Secret, Stage, Version, VersionId},
    rotation::{Backoff, Because, Recorded},
    store::{StoreError, Tx, Written, agenda, event, occurrence, schedule, secret, version},
};

impl Runner {
    /// Makes the candidate current, unless the way back was asked for meanwhile. `verified` is recorded with it, when
    /// it was only just seen.
    pub(super) async fn publish(
        &self,
        subject: &Subject,
        running: &Running,
        verified: Option<Recorded>,
    ) -> Result<Then, RunError> {
        let Some(candidate) = running.fold.candidate() else { return Ok(Then::LookAgain) };
        if running.seq.is_some() {
            match self.publish_known(subject, running, &candidate.version, verified.clone()).await {
                Err(RunError::Store(StoreError::Stale { .. })) => {}
                published => return published,
            }
        }
        let (engine, claim, id) = (Arc::clone(&self.engine), self.claim.clone(), candidate.version.clone());
        let (of, running, secret) = (self.journal_of(&running.id), running.clone(), subject.secret.id.clone());
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let Some(mut subject) = load(tx, engine.keyring(), &claim.tenant, &secret).await? else {
                        return Err(StoreError::Stale { what: "secret" }.into());
                    };
                    // What an operator asked for since the rotation was loaded stands in its journal alone.
                    let running = subject.running.clone().unwrap_or(running);
                    if running.fold.rollback.is_some() {
                        return Ok(());
                    }
                    // A fire that came due while the rotation ran joins it: the plan is made anew below.
                    if engine.record_fire(tx, &subject).await?
                        && let Some(fired) = load(tx, engine.keyring(), &claim.tenant, &secret).await?
                    {
                        subject = fired;
                    }
                    engine.publish_version(tx, &subject, &running, &of, &id, verified, None).await?;
                    Ok::<_, RunError>(())
                })
            })
            .await?;
        Ok(Then::Rest)
    }

    /// Publishes by what is known, unless others have written since or a fire has come due: then nothing is written,
    /// and the error is *stale*.
    async fn publish_known(
        &self,
        subject: &Subject,
        running: &Running,
        id: &VersionId,
        verified: Option<Recorded>,
    ) -> Result<Then, RunError> {
        let stale = |what| RunError::from(StoreError::Stale { what });
        let count = i64::from(verified.is_some()) + 1;
        let Some(expected) = running.seq.map(|seq| seq + count).filter(|_| running.fold.rollback.is_none()) else {
            return Err(stale("journal"));
        };
        let (engine, claim, id) = (Arc::clone(&self.engine), self.claim.clone(), id.clone());
        let (of, running, subject) = (self.journal_of(&running.id), running.clone(), subject.clone());
        let published = self
            .engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    if subject.is_fire_due(engine.now()) {
                        return Err(stale("schedule"));
                    }
                    engine.publish_version(tx, &subject, &running, &of, &id, verified, Some(expected)).await
                })
            })
            .await?;
        // A life that begins anew is looked at with fresh eyes.
        let is_known = published.secret.expires_at.is_none();
        Ok(if is_known { Then::GoOn(Box::new(published)) } else { Then::Rest })
    }

    /// Ends a rotation that changed nothing; its occurrences are tried again, or fail.
    pub(super) async fn end_unwound(&self, running: &Running, because: Because) -> Result<Then, RunError> {
        let (engine, claim, secret) = (Arc::clone(&self.engine), self.claim.clone(), self.secret.clone());
        let (of, running) = (self.journal_of(&running.id), running.clone());
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let Some(subject) = load(tx, engine.keyring(), &claim.tenant, &secret).await? else {
                        return Err(StoreError::Stale { what: "secret" }.into());
                    };
                    let running = subject.running.clone().unwrap_or(running);
                    engine.unwind(tx, subject, &running, &of, because).await
                })
            })
            .await?;
        Ok(Then::LookAgain)
    }
}

impl Engine {
    /// Answers the secret as it then is. Where the number of the last event is expected and another one, others have
    /// written, and the error is *stale*.
    #[expect(clippy::too_many_arguments, reason = "the two ways to publish differ in what is expected alone")]
    async fn publish_version(
        &self,
        tx: &mut Tx,
        subject: &Subject,
        running: &Running,
        of: &JournalOf,
        id: &VersionId,
        verified: Option<Recorded>,
        expected: Option<i64>,
    ) -> Result<Subject, RunError> {
        let now = self.now();
        let mut secret = subject.secret.clone();
        let number = secret.next_number;
        let overlap_us = self.overlap_us(subject, running);
        let (mut written, live) = self.restage(tx, subject, id, number, overlap_us).await?;
        secret.next_number += 1;
        secret.rotation = None;
        self.resolve_warning(tx, subject).await?;
        secret.expires_at = self.own_end(subject, running, id)?.or_else(|| next_life(subject, now));
        let second_look = running.fold.changed_hands.then(|| now + self.second_look());
        let daily = self.options.probe_every.map(|every| now + every);
        secret.probe_at = second_look.or(daily);
        written.push(secret::update(tx, self.keyring(), &mut secret).await?);
        let mut schedule = subject.schedule.clone();
        if let Some(row) = &mut schedule {
            row.counted_from = now;
            let from = CountFrom { origin: now, published_at: Some(now), now };
            row.next_due_at = match row.paused_at {
                Some(_) => row.next_due_at,
                None => self.next_due(row, &secret, from)?.map(|due| due.at),
            };
            written.push(schedule::put(tx, self.keyring(), row).await?);
        }
        self.end_served(tx, &subject.open, &running.fold.planned.occurrences, number).await?;
        let ended = [kind::STUCK, kind::FAILED, kind::UNDECIDED, kind::DRIFTED];
        self.close_alerts(tx, &of.tenant, of.secret.as_str(), &ended).await?;
        let mut events: Vec<Recorded> = verified.into_iter().collect();
        events.push(Recorded::Published { version: id.clone(), number });
        let fold = follow(running.fold.clone(), &events)?;
        let (last, mut seq) = (events.len() - 1, running.seq);
        for (i, recorded) in events.iter().enumerate() {
            let rows = if i == last { std::mem::take(&mut written) } else { Vec::new() };
            seq = Some(self.append_recorded(tx, of, recorded, rows, seq).await?);
        }
        if expected.is_some() && seq != expected {
            return Err(StoreError::Stale { what: "journal" }.into());
        }
        self.list_rotation(tx, of, &fold, running.started_at).await?;
        let seq = seq.unwrap_or(subject.seq);
        Ok(Subject { secret, seq, schedule, live, open: Vec::new(), running: None, ..subject.clone() })
    }

    /// When the published value ends by itself, where its kind has an end.
    fn own_end(&self, subject: &Subject, running: &Running, id: &VersionId) -> Result<Option<DateTime<Utc>>, RunError> {
        let Some(published) = subject.find_live(id) else { return Ok(None) };
        let rotator = self.rotators.find(&running.fold.planned.rotator)?;
        Ok(rotator.expires_at(&running.fold.planned.settings, &self.open(published)?))
    }

    /// How long the version before stays valid: not at all where the target can hold only one.
    fn overlap_us(&self, subject: &Subject, running: &Running) -> i64 {
        let planned = &running.fold.planned;
        let target = subject.target.as_ref().map_or(&serde_json::Value::Null, |target| &target.settings);
        let declared =
            self.rotators.find(&planned.rotator).ok().and_then(|r| r.declare(target, &planned.settings).ok());
        let has_none = declared.is_some_and(|declared| declared.overlap == Overlap::None);
        if has_none { 0 } else { subject.secret.overlap_us }
    }

    /// Moves the versions to their stages: the published one current, the one before previous, the rest retired.
    /// Answers the rows that were written, and the versions that are then at work.
    async fn restage(
        &self,
        tx: &mut Tx,
        subject: &Subject,
        id: &VersionId,
        number: i64,
        overlap_us: i64,
    ) -> Result<(Vec<Written>, Vec<Version>), StoreError> {
        let now = self.now();
        let (mut written, mut live) = (Vec::new(), Vec::new());
        for version in &subject.live {
            let mut version: Version = version.clone();
            match version.stage {
                _ if version.id == *id => {
                    version.stage = Stage::Current;
                    version.number = Some(number);
                    version.published_at = Some(now);
                }
                Stage::Current => {
                    version.stage = Stage::Previous;
                    version.retire_at = Some(from_micros(micros(now).saturating_add(overlap_us)));
                }
                Stage::Candidate => {
                    version.stage = Stage::Retired;
                    version.retired_at = Some(now);
                }
                Stage::Previous | Stage::Retired => {
                    live.push(version);
                    continue;
                }
            }
            written.push(version::update(tx, self.keyring(), &mut version).await?);
            live.push(version);
        }
        live.retain(|version| version.stage != Stage::Retired);
        Ok((written, live))
    }

    /// Ends the occurrences that a publish serves: those it was planned for are done, later ones joined it.
    async fn end_served(
        &self,
        tx: &mut Tx,
        open: &[Occurrence],
        planned_for: &[OccurrenceId],
        number: i64,
    ) -> Result<(), StoreError> {
        for open in open {
            let mut open = open.clone();
            let joined = !planned_for.contains(&open.id);
            open.end = Some(if joined { OccurrenceEnd::Coalesced } else { OccurrenceEnd::Done });
            open.why = format!("version {number} was published");
            open.ended_at = Some(self.now());
            occurrence::update(tx, &open).await?;
        }
        Ok(())
    }

    async fn unwind(
        &self,
        tx: &mut Tx,
        subject: Subject,
        running: &Running,
        of: &JournalOf,
        because: Because,
    ) -> Result<(), RunError> {
        let now = self.now();
        let mut written = Vec::new();
        for version in subject.live.iter().filter(|version| version.stage == Stage::Candidate) {
            let mut version = version.clone();
            version.stage = Stage::Retired;
            version.retired_at = Some(now);
            written.push(version::update(tx, self.keyring(), &mut version).await?);
        }
        let mut secret = subject.secret.clone();
        secret.rotation = None;
        if running.fold.changed_hands {
            secret.probe_at = Some(now + self.second_look());
        }
        written.push(secret::update(tx, self.keyring(), &mut secret).await?);
        let is_wanted = running.fold.rollback.is_none();
        for open in &subject.open {
            if running.fold.planned.occurrences.contains(&open.id) {
                self.try_again_or_fail(tx, &subject, open, &because, is_wanted).await?;
            }
        }
        if is_wanted {
            let sentence = format!("the rotation failed and was rolled back: {}", because.sentence);
            let wrong = Wrong::of_secret(&of.secret, kind::FAILED, sentence, because.hint.clone());
            self.open_alert(tx, &of.tenant, &wrong).await?;
        }
        self.close_alerts(tx, &of.tenant, of.secret.as_str(), &[kind::STUCK, kind::UNDECIDED]).await?;
        let unwound = Recorded::Unwound { because };
        let fold = follow(running.fold.clone(), std::slice::from_ref(&unwound))?;
        self.append_recorded(tx, of, &unwound, written, None).await?;
        self.list_rotation(tx, of, &fold, running.started_at).await?;
        Ok(())
    }

    async fn try_again_or_fail(
        &self,
        tx: &mut Tx,
        subject: &Subject,
        open: &Occurrence,
        because: &Because,
        is_wanted: bool,
    ) -> Result<(), Trouble> {
        let mut open = open.clone();
        open.attempts += 1;
        open.why.clone_from(&because.sentence);
        open.rotation = None;
        // What ends by itself is never given up: the plan has no other moment for it.
        let is_kept_at = open.origin == OccurrenceOrigin::Planned && subject.secret.expires_at.is_some();
        if is_wanted && (is_kept_at || open.attempts < self.options.rotations_per_occurrence) {
            let failures = u32::try_from(open.attempts).unwrap_or(u32::MAX);
            open.not_before = Some(self.now() + self.pause_after(failures, &subject.secret));
        } else {
            open.end = Some(OccurrenceEnd::Failed);
            open.ended_at = Some(self.now());
            if is_wanted {
                let facts = json!({
                    "v": 1, "occurrence": open.id, "attempts": open.attempts, "why": because.sentence,
                    "hint": because.hint,
                });
                self.append_of_secret(tx, &subject.secret, "occurrence.failed", facts, Vec::new()).await?;
            }
        }
        occurrence::update(tx, &open).await?;
        let is_planned = open.origin == OccurrenceOrigin::Planned && open.end.is_some();
        if let Some(row) = subject.schedule.clone().filter(|row| is_planned && row.next_due_at.is_none()) {
            let (mut row, now) = (row, self.now());
            // The life that ends is the one in use still; who turned a rotation back does not want the next at once.
            let lives = subject.secret.expires_at.and(subject.current()).and_then(|current| current.published_at);
            let earliest = if lives.is_some() { now + self.pause_after(u32::MAX, &subject.secret) } else { now };
            let from = CountFrom { origin: now, published_at: lives, now };
            row.next_due_at = self.next_due(&row, &subject.secret, from)?.map(|due| due.at.max(earliest));
            let written = schedule::put(tx, self.keyring(), &mut row).await?;
            event::note_without_event(tx, &[written]).await?;
        }
        Ok(())
    }
}

impl Engine {
    /// How long to wait after so many failed rotations of a secret.
    fn pause_after(&self, failures: u32, secret: &Secret) -> Duration {
        match secret.expires_at {
            Some(end) => {
                let to_end = (end - self.now()).abs().to_std().unwrap_or_default();
                Backoff::BEFORE_AN_END.near_an_end(failures, self.draw(), to_end)
            }
            None => Backoff::ROTATIONS.after(failures, self.draw()),
        }
    }
}

/// The life that somebody decided on; else a value that expired so long after it was published gives the next one the
/// same life.
fn next_life(subject: &Subject, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Some(lasts) = subject.expiry.as_ref().and_then(|expiry| expiry.rules.lasts) {
        return Some(now + lasts.as_delta());
    }
    let expires_at = subject.secret.expires_at?;
    let born_at = subject.current().and_then(|current| current.published_at).unwrap_or(subject.secret.created_at);
    (expires_at > born_at).then(|| now + (expires_at - born_at))
}
