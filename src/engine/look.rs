//! What a secret needs next, and when: a pure function of what was loaded.
//!
//! The agenda's due time is the earliest of these answers; it can be rebuilt from the rest at any time.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{
    due::planned_start, fire::from_the_future, load::Subject, notices::warn::warning_of, ops::pki::CERTIFICATE,
};
use crate::{
    clock::{from_micros, micros},
    expiry::Warning,
    model::{Breaker, DeliveryId, Occurrence, OccurrenceOrigin, VersionId},
    rotation::{Backoff, Next, Status, plan},
};

/// How long a secret waits for room on the store's disk before it looks again.
const LOOK_FOR_ROOM: chrono::TimeDelta = chrono::TimeDelta::seconds(5);

/// Something to be done now.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// A planned fire has come due.
    Fire,
    /// The plan was made in the future: the clock was set back since.
    Replan,
    /// Begin a rotation for the open occurrences.
    Start,
    /// The next step of the rotation that runs.
    Step(Next),
    /// Bring the current version to a delivery.
    Deliver(DeliveryId),
    /// Make the target refuse a version that was current.
    Retire(VersionId),
    /// Try the current value at the target.
    Probe,
    /// Tell that the value expires, or did.
    Warn,
    /// Forget a deleted secret whose recovery period is over.
    Purge,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Look {
    /// Do this now.
    Now(Work),
    /// Nothing before this time; never, if there is none.
    At(Option<DateTime<Utc>>),
}

/// What is known beside the secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) now: DateTime<Utc>,
    /// Whether this claim has only just begun.
    pub(super) is_fresh: bool,
    /// Whether the store's disk has room for new rotations.
    pub(super) has_room: bool,
    /// How long before an expiry a rotation must have begun.
    pub(super) expiry_margin: Duration,
    /// Whether the clock was set forward and nobody has confirmed it: nothing ends by time alone.
    pub(super) is_held: bool,
}

/// How soon it looks again while the clock is not believed.
const WHILE_HELD: chrono::TimeDelta = chrono::TimeDelta::seconds(30);

/// Says what a secret needs next.
pub(super) fn look(subject: &Subject, setting: &Setting) -> Look {
    let mut earliest = Earliest(None);
    if let Some(found) = look_at_rotation(subject, setting, &mut earliest) {
        return Look::Now(found);
    }
    if let Some(deleted_at) = subject.secret.deleted_at {
        let purge_at = from_micros(micros(deleted_at).saturating_add(subject.secret.recovery_us));
        return if purge_at <= setting.now { Look::Now(Work::Purge) } else { Look::At(Some(purge_at)) };
    }
    if let Some(schedule) = &subject.schedule
        && schedule.paused_at.is_none()
        && let Some(due) = schedule.next_due_at
    {
        if due <= setting.now {
            return Look::Now(Work::Fire);
        }
        if schedule.counted_from > setting.now + from_the_future(subject) {
            return Look::Now(Work::Replan);
        }
        earliest.offer(due);
    }
    let found = look_at_start(subject, setting, &mut earliest)
        .or_else(|| look_at_expiry(subject, setting, &mut earliest))
        .or_else(|| look_at_deliveries(subject, setting, &mut earliest))
        .or_else(|| look_at_retirement(subject, setting, &mut earliest))
        .or_else(|| look_at_probe(subject, setting, &mut earliest));
    found.map_or(Look::At(earliest.0), Look::Now)
}

/// The earliest of the times that were offered.
struct Earliest(Option<DateTime<Utc>>);

impl Earliest {
    fn offer(&mut self, at: DateTime<Utc>) {
        self.0 = Some(self.0.map_or(at, |earliest| earliest.min(at)));
    }
}

fn look_at_rotation(subject: &Subject, setting: &Setting, earliest: &mut Earliest) -> Option<Work> {
    let running = subject.running.as_ref()?;
    if setting.is_fresh && running.fold.was_interrupted() {
        return Some(Work::Step(Next::TakeOver));
    }
    match plan(&running.fold, micros(setting.now)) {
        Next::Nothing => None,
        Next::Wait { until } => {
            earliest.offer(from_micros(until));
            None
        }
        next => Some(Work::Step(next)),
    }
}

fn is_open(subject: &Subject) -> bool {
    matches!(subject.target.as_ref().map(|target| &target.breaker), Some(Breaker::Open { .. }))
}

fn look_at_start(subject: &Subject, setting: &Setting, earliest: &mut Earliest) -> Option<Work> {
    if subject.running.is_some() || subject.target.is_none() {
        return None;
    }
    let start_at = subject.open.iter().filter_map(|occurrence| start_at(subject, occurrence, setting)).min()?;
    if start_at > setting.now {
        earliest.offer(start_at);
        return None;
    }
    if !setting.has_room {
        // Nothing tells a secret that there is room again.
        earliest.offer(setting.now + LOOK_FOR_ROOM);
        return None;
    }
    // A closed breaker wakes the secret: it is no moment that could be waited for.
    (!is_open(subject)).then_some(Work::Start)
}

/// A planned rotation never begins within an overlap, outside its window or in a freeze; a requested one cuts an
/// overlap short knowingly, and asks for no window. A certificate ends no other one, and waits for no overlap: it may
/// live shorter than that. None where no moment is allowed.
fn start_at(subject: &Subject, occurrence: &Occurrence, setting: &Setting) -> Option<DateTime<Utc>> {
    let not_before = occurrence.not_before.unwrap_or(occurrence.first_at);
    if occurrence.origin == OccurrenceOrigin::Requested {
        return Some(not_before);
    }
    let not_before = if is_from_the_future(subject, not_before, setting.now) { setting.now } else { not_before };
    let is_alone = subject.secret.kind == CERTIFICATE;
    let overlap_end = subject.previous().filter(|_| !is_alone).filter_map(|version| version.retire_at).max();
    let from = overlap_end.map_or(not_before, |end| not_before.max(end)).max(setting.now);
    planned_start(subject, from, setting.expiry_margin)
}

/// Whether the next try of a value that ends by itself is farther off than any wait: then the clock was set back.
fn is_from_the_future(subject: &Subject, not_before: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let Some(end) = subject.secret.expires_at else { return false };
    let to_end = (end - now).abs().to_std().unwrap_or_default();
    (not_before - now).to_std().is_ok_and(|wait| wait > Backoff::BEFORE_AN_END.longest_near_an_end(to_end))
}

fn look_at_deliveries(subject: &Subject, setting: &Setting, earliest: &mut Earliest) -> Option<Work> {
    let current = &subject.current()?.id;
    for delivery in subject.deliveries.iter().filter(|delivery| delivery.delivered.as_ref() != Some(current)) {
        match delivery.next_at {
            Some(at) if at > setting.now => earliest.offer(at),
            _ => return Some(Work::Deliver(delivery.id.clone())),
        }
    }
    None
}

fn look_at_retirement(subject: &Subject, setting: &Setting, earliest: &mut Earliest) -> Option<Work> {
    let is_busy = subject.running.as_ref().is_some_and(|running| !matches!(running.fold.status, Status::Stuck { .. }));
    if is_busy || !subject.is_delivered() || is_open(subject) {
        return None;
    }
    for version in subject.previous() {
        match version.retire_at {
            Some(at) if at > setting.now => earliest.offer(at),
            Some(_) if setting.is_held => earliest.offer(setting.now + WHILE_HELD),
            Some(_) => return Some(Work::Retire(version.id.clone())),
            None => {}
        }
    }
    None
}

fn look_at_expiry(subject: &Subject, setting: &Setting, earliest: &mut Earliest) -> Option<Work> {
    if setting.is_held {
        // A warning by a clock that is not believed would tell rungs that are not reached.
        subject.secret.expires_at?;
        earliest.offer(setting.now + WHILE_HELD);
        return None;
    }
    match warning_of(subject, setting.now)? {
        Warning::Now { .. } => return Some(Work::Warn),
        Warning::At { at, .. } => earliest.offer(at),
        Warning::Never { .. } => {}
    }
    None
}

fn look_at_probe(subject: &Subject, setting: &Setting, earliest: &mut Earliest) -> Option<Work> {
    if subject.running.is_some() || is_open(subject) {
        return None;
    }
    subject.current()?;
    let at = subject.target.as_ref().and(subject.secret.probe_at)?;
    if at <= setting.now {
        return Some(Work::Probe);
    }
    earliest.offer(at);
    None
}
