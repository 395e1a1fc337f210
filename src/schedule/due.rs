//! The one next moment at which a secret should be rotated.
//!
//! A planned fire is moved later into the first allowed slot, then later again by its jitter. A fire whose moment has
//! passed is made up or skipped. If what comes out lies behind the deadline, the expiry decides: the latest moment in
//! the last allowed slot before the deadline, or else the deadline itself.

use chrono::{DateTime, TimeDelta, Utc};

use super::compiled::CompiledSchedule;
use super::context::DueContext;
use super::jitter;
use super::rhythm::Rhythm;
use super::rule::MissedPolicy;
use super::slots::Slot;

/// How long after its moment a fire without a window still counts as on time. With a window, it does as long as that
/// stays open.
pub const GRACE: TimeDelta = TimeDelta::minutes(5);

/// What is left of a slot for attempts, when a deadline decides: one hour before the slot ends.
const LAST_HOUR: TimeDelta = TimeDelta::hours(1);

/// When a secret should be rotated next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextDue {
    /// At a moment, which may have passed.
    At(Due),
    /// Not by itself.
    Never(NeverBecause),
}

/// The moment of the next rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When to rotate; later than the last publish.
    pub at: DateTime<Utc>,
    /// The fire of the rule from which it was made, before window, freezes, jitter and expiry.
    pub planned_at: DateTime<Utc>,
    /// What decided on `at`.
    pub because: Because,
}

/// What decided on the moment of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// An interval since the last publish.
    Interval,
    /// The calendar.
    Cron,
    /// A share of the current version's lifetime.
    Lifetime,
    /// The fire lay outside the window and moved to its next opening.
    WindowMoved,
    /// The fire lay in a freeze, or the window's next opening did, and moved behind it.
    FreezeMoved,
    /// The fire passed while nobody could run it, and is made up.
    CaughtUp,
    /// The rule's fire comes after the deadline; this is the latest allowed moment before it.
    Deadline,
    /// No moment before the deadline is allowed: the deadline itself, in spite of window and freezes.
    ExpiryBeatsWindow,
}

/// Why a secret is not rotated by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NeverBecause {
    /// Its rule says so.
    Manual,
    /// Its cron rule matches no date.
    NoOccurrence,
    /// Its rule is a share of a lifetime, and the current version does not expire.
    NoLifetime,
    /// Window and freezes leave no moment within five years.
    NoAllowedSlot,
}

/// Says when a secret should be rotated next. Pure, and the same on every replica.
///
/// A moment that lies before `cx.now` is overdue by less than [`GRACE`], or its window is still open: run it now. The
/// cost is some microseconds; a rule that never matches costs some milliseconds.
pub fn next_due(schedule: &CompiledSchedule, cx: &DueContext<'_>) -> NextDue {
    let question = Question { schedule, cx, deadline: cx.deadline() };
    let found = question.by_rule();
    let Some(deadline) = question.deadline else {
        return found.map_or_else(NextDue::Never, NextDue::At);
    };
    match found {
        Err(NeverBecause::Manual) => NextDue::Never(NeverBecause::Manual),
        Err(_) => NextDue::At(question.by_deadline(deadline, deadline)),
        Ok(due) if due.at > deadline.max(cx.now).max(cx.earliest()) => {
            NextDue::At(question.by_deadline(deadline, due.planned_at))
        }
        Ok(due) => NextDue::At(due),
    }
}

/// A schedule that is asked about one secret.
pub(super) struct Question<'a> {
    pub(super) schedule: &'a CompiledSchedule,
    pub(super) cx: &'a DueContext<'a>,
    pub(super) deadline: Option<DateTime<Utc>>,
}

/// A fire in its slot.
pub(super) struct Placed {
    pub(super) due: Due,
    slot: Slot,
}

impl Placed {
    /// The same slot, with a moment that was decided before.
    pub(super) fn at(mut self, at: DateTime<Utc>) -> Self {
        self.due.at = at;
        self
    }
}

impl Question<'_> {
    /// The moment that rule, window, freezes and jitter give.
    fn by_rule(&self) -> Result<Due, NeverBecause> {
        let rhythm = &self.schedule.rhythm;
        let planned = rhythm.first(self.cx).ok_or(match rhythm {
            Rhythm::Manual => NeverBecause::Manual,
            Rhythm::Lifetime(_) => NeverBecause::NoLifetime,
            Rhythm::Every(_) | Rhythm::Calendar { .. } => NeverBecause::NoOccurrence,
        })?;
        let placed = self.place(planned, planned)?;
        if self.is_open(&placed) {
            return Ok(placed.due);
        }
        match (self.schedule.missed, rhythm) {
            (MissedPolicy::RunOnce, _) | (MissedPolicy::Skip, Rhythm::Lifetime(_) | Rhythm::Manual) => {
                self.caught_up(planned)
            }
            (MissedPolicy::Skip, Rhythm::Every(_) | Rhythm::Calendar { .. }) => self.skipped_to(),
        }
    }

    /// Moves a fire into the first slot that ends after `from`, and adds its jitter.
    pub(super) fn place(&self, planned: DateTime<Utc>, from: DateTime<Utc>) -> Result<Placed, NeverBecause> {
        let slots = &self.schedule.slots;
        let slot = slots.first_after(from).ok_or(NeverBecause::NoAllowedSlot)?;
        let base = planned.max(slot.open);
        let because = match &self.schedule.rhythm {
            _ if base > planned => {
                let is_frozen = slots.unfrozen_after(planned).is_none_or(|free| free.open.max(planned) != base);
                if is_frozen { Because::FreezeMoved } else { Because::WindowMoved }
            }
            Rhythm::Every(_) => Because::Interval,
            Rhythm::Lifetime(_) => Because::Lifetime,
            Rhythm::Calendar { .. } | Rhythm::Manual => Because::Cron,
        };
        let at = base + self.delay(base, slot);
        Ok(Placed { due: Due { at, planned_at: planned, because }, slot })
    }

    /// The jitter of a fire at `base`: never out of its slot, past the deadline or past the next fire.
    fn delay(&self, base: DateTime<Utc>, slot: Slot) -> TimeDelta {
        let jitter = self.schedule.jitter;
        if jitter <= TimeDelta::zero() {
            return TimeDelta::zero();
        }
        let limits = [
            Some(slot.end),
            self.deadline.filter(|deadline| *deadline > base),
            match &self.schedule.rhythm {
                Rhythm::Every(every) => base.checked_add_signed(*every),
                rhythm => rhythm.next(base, base),
            },
        ];
        let room = limits.into_iter().flatten().map(|limit| limit - base).fold(jitter, TimeDelta::min);
        jitter::delay(self.cx.secret_id, room)
    }

    /// Says whether a placed fire lies ahead, or can still be run on time.
    pub(super) fn is_open(&self, placed: &Placed) -> bool {
        let (now, at) = (self.cx.now, placed.due.at);
        at >= now || (now < placed.slot.end && (self.schedule.slots.has_window() || now - at <= GRACE))
    }

    /// Makes up for a fire that passed: in the first slot from now on.
    fn caught_up(&self, planned: DateTime<Utc>) -> Result<Due, NeverBecause> {
        let due = self.place(planned, self.cx.now)?.due;
        Ok(Due { at: due.at.max(self.cx.now), because: Because::CaughtUp, ..due })
    }

    /// Gives up the fires that passed: the last one, if its slot is still to come or open; else the next one.
    fn skipped_to(&self) -> Result<Due, NeverBecause> {
        let (rhythm, cx) = (&self.schedule.rhythm, self.cx);
        if let Some(last) = rhythm.last_between(cx.after, cx.after, cx.now) {
            let placed = self.place(last, last)?;
            if self.is_open(&placed) {
                return Ok(placed.due);
            }
        }
        let next = rhythm.next(cx.after, cx.now).ok_or(NeverBecause::NoOccurrence)?;
        Ok(self.place(next, next)?.due)
    }

    /// The latest allowed moment before the deadline, or else the deadline.
    ///
    /// No moment in the first half of the time that is left is taken: else a short-lived version would be rotated again
    /// and again while one window is open.
    pub(super) fn by_deadline(&self, deadline: DateTime<Utc>, planned_at: DateTime<Utc>) -> Due {
        let (slots, now) = (&self.schedule.slots, self.cx.now);
        let half = self.cx.after + (deadline - self.cx.after).max(TimeDelta::zero()) / 2;
        let from = half.max(now).max(self.cx.earliest());
        if let Some(slot) = (from <= deadline).then(|| slots.last_between(from, deadline)).flatten() {
            let latest = slot.end.checked_sub_signed(LAST_HOUR).map_or(deadline, |latest| latest.min(deadline));
            return Due { at: latest.max(from).max(slot.open), planned_at, because: Because::Deadline };
        }
        let at = deadline.max(now).max(self.cx.earliest());
        let because = if slots.allows(at) { Because::Deadline } else { Because::ExpiryBeatsWindow };
        Due { at, planned_at, because }
    }
}

#[cfg(test)]
mod tests;
