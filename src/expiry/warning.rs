//! Which warning is told next, and why.
//!
//! The *rungs* are those of the ladder for the lifetime, and the expiry itself as the last. A rung is *reached* from its
//! moment on. Of the reached rungs that are more urgent than what was told, the most urgent is told and the others are
//! superseded by it.
//!
//! What rotates by itself is silent while its *plan is in time*: the planned rotation comes no later than the last rung
//! before the expiry, so the shortest room that the ladder asks for is left. A plan whose moment passed
//! counts as one that is not kept after [`PATIENCE`], or half of that room if it is less; so a plan is never believed up
//! to the expiry. A plan that is not in time or not kept, a rotation that is overdue, failing or paused, and none at
//! all, are the same to the ladder: each reached rung is told. No plan silences the expiry itself.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};

use super::ladder::Ladder;
use super::rung::Rung;

/// How long after its moment a planned rotation still counts as under way, at most.
pub const PATIENCE: TimeDelta = TimeDelta::hours(1);

/// The facts about one expiry date, and the time.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The present.
    pub now: DateTime<Utc>,
    /// When the life that ends began; `None` where nobody knows.
    pub begins_at: Option<DateTime<Utc>>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When to warn.
    pub ladder: &'a Ladder,
    /// The most urgent rung that was told or superseded for this very `expires_at`.
    pub told: Option<Rung>,
    /// What is known of a rotation that would end this life in time.
    pub rotation: Rotates,
}

/// Whether a secret rotates by itself, and how well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotates {
    /// Nothing rotates it, or only a person does.
    Not,
    /// The next rotation is planned or runs, and nothing is known against it.
    Planned {
        /// When it starts or started, window and freezes included.
        at: DateTime<Utc>,
    },
    /// It should have been rotated, and nothing says why it was not.
    Overdue,
    /// Its last rotation failed, or it is stuck.
    Failing,
    /// Somebody stopped its rotations.
    Paused,
}

/// What to tell now, or when to look again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Tell this rung.
    Now {
        /// The most urgent rung that is reached.
        rung: Rung,
        /// The reached rungs before it that were never told, the least urgent first.
        superseded: Vec<Rung>,
        /// Why.
        reason: WarningReason,
    },
    /// Nothing yet. With the same facts the answer is this until `at`, and [`Warning::Now`] from then on.
    At {
        /// When to look again; later than now.
        at: DateTime<Utc>,
        /// Why not yet.
        reason: WarningReason,
    },
    /// Nothing for this expiry date any more.
    Never {
        /// Why.
        reason: WarningReason,
    },
}

/// Why something is told or not. The list is closed; its words are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningReason {
    /// Told: nothing rotates it.
    NothingRotatesIt,
    /// Told: the planned rotation comes after the last rung, or after the expiry.
    PlanTooLate,
    /// Told: the moment of the planned rotation passed.
    RotationOverdue,
    /// Told: its rotation fails.
    RotationFailing,
    /// Told: its rotations are paused.
    RotationPaused,
    /// Told: it has expired.
    Expired,
    /// Not yet: the next rung is not reached.
    NextRungAhead,
    /// Not yet: its planned rotation is in time.
    PlanInTime,
    /// Never: that it has expired was told.
    ExpiryTold,
}

impl WarningReason {
    /// All reasons.
    pub const ALL: [Self; 9] = [
        Self::NothingRotatesIt,
        Self::PlanTooLate,
        Self::RotationOverdue,
        Self::RotationFailing,
        Self::RotationPaused,
        Self::Expired,
        Self::NextRungAhead,
        Self::PlanInTime,
        Self::ExpiryTold,
    ];

    /// The stable kebab-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NothingRotatesIt => "nothing-rotates-it",
            Self::PlanTooLate => "plan-too-late",
            Self::RotationOverdue => "rotation-overdue",
            Self::RotationFailing => "rotation-failing",
            Self::RotationPaused => "rotation-paused",
            Self::Expired => "expired",
            Self::NextRungAhead => "next-rung-ahead",
            Self::PlanInTime => "plan-in-time",
            Self::ExpiryTold => "expiry-told",
        }
    }
}

impl fmt::Display for WarningReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingRotatesIt => "it will expire, and nothing rotates it",
            Self::PlanTooLate => "its next rotation is planned for too late",
            Self::RotationOverdue => "its rotation is overdue",
            Self::RotationFailing => "its rotation is failing",
            Self::RotationPaused => "its rotations are paused",
            Self::Expired => "it has expired",
            Self::NextRungAhead => "the next rung of its ladder is not reached yet",
            Self::PlanInTime => "its next rotation is planned in time",
            Self::ExpiryTold => "that it has expired was told already",
        })
    }
}

/// Says what is told next. Pure, and the same on every replica.
///
/// After [`Warning::Now`] the caller records `rung` as told, and asks again.
pub fn next_warning(standing: &Standing<'_>) -> Warning {
    let &Standing { now, expires_at, .. } = standing;
    let rungs = standing.rungs();
    let untold = &rungs[rungs.partition_point(|rung| standing.told.is_some_and(|told| *rung >= told))..];
    let Some(first) = untold.first() else { return Warning::Never { reason: WarningReason::ExpiryTold } };
    let silent_until = standing.silent_until(&rungs);
    let at = silent_until.map_or(first.moment(expires_at), |until| until.max(first.moment(expires_at)));
    if now < at {
        let is_silenced = silent_until.is_some_and(|until| now < until);
        let reason = if is_silenced { WarningReason::PlanInTime } else { WarningReason::NextRungAhead };
        return Warning::At { at, reason };
    }
    let reached = untold.partition_point(|rung| rung.moment(expires_at) <= now);
    let (superseded, rung) = (untold[..reached - 1].to_vec(), untold[reached - 1]);
    let is_late_plan = silent_until.is_none();
    let reason = if rung.is_expired() { WarningReason::Expired } else { standing.rotation.complaint(is_late_plan) };
    Warning::Now { rung, superseded, reason }
}

impl Standing<'_> {
    /// The rungs for this life, the least urgent first, [`Rung::EXPIRED`] included.
    fn rungs(&self) -> Vec<Rung> {
        let mut rungs = self.ladder.rungs_for(self.begins_at.map(|begins_at| self.expires_at - begins_at));
        rungs.push(Rung::EXPIRED);
        rungs
    }

    /// Until when a plan that is in time keeps silent; not later than the expiry. `None` without such a plan.
    fn silent_until(&self, rungs: &[Rung]) -> Option<DateTime<Utc>> {
        let Rotates::Planned { at } = self.rotation else { return None };
        let room = rungs.iter().rev().nth(1).copied().unwrap_or(Rung::EXPIRED);
        // Within the last room there is no overflow, and half of it ends before the expiry.
        (at <= room.moment(self.expires_at)).then(|| at + PATIENCE.min(room.as_delta() / 2))
    }
}

impl Rotates {
    /// Why a reached rung is told. `is_late_plan` tells a plan that never was in time from one that was not kept.
    fn complaint(self, is_late_plan: bool) -> WarningReason {
        match self {
            Self::Not => WarningReason::NothingRotatesIt,
            Self::Planned { .. } if is_late_plan => WarningReason::PlanTooLate,
            Self::Planned { .. } | Self::Overdue => WarningReason::RotationOverdue,
            Self::Failing => WarningReason::RotationFailing,
            Self::Paused => WarningReason::RotationPaused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expiry::{LadderRule, Mode, Nature};

    const BEGIN: &str = "2026-01-01T00:00:00Z";

    /// So many days and hours after the begin.
    fn day(days: i64, hours: i64) -> DateTime<Utc> {
        BEGIN.parse::<DateTime<Utc>>().expect("a time") + TimeDelta::days(days) + TimeDelta::hours(hours)
    }

    fn shown(warning: &Warning) -> String {
        match warning {
            Warning::Now { rung, superseded, reason } => {
                let superseded: Vec<String> = superseded.iter().map(Rung::to_string).collect();
                format!("now {rung} [{}] {}", superseded.join(" "), reason.as_str())
            }
            Warning::At { at, reason } => {
                let since = *at - day(0, 0);
                format!("at {}d{}h {}", since.num_days(), since.num_hours() % 24, reason.as_str())
            }
            Warning::Never { reason } => format!("never {}", reason.as_str()),
        }
    }

    /// The answer for a life of a hundred days and the usual ladder: rungs at day 70, 86, 93 and 99.
    fn answer(now: DateTime<Utc>, told: Option<&str>, rotation: Rotates) -> String {
        let ladder = LadderRule::default().ladder(Nature::Ordinary, Some(TimeDelta::days(100)));
        let told = told.map(|rung| rung.parse().expect(rung));
        let (begins_at, expires_at) = (Some(day(0, 0)), day(100, 0));
        shown(&next_warning(&Standing { now, begins_at, expires_at, ladder: &ladder, told, rotation }))
    }

    #[test]
    fn the_most_urgent_reached_rung_is_told_and_the_skipped_ones_are_superseded() {
        let table = [
            (day(0, 0), None, "at 70d0h next-rung-ahead"),
            (day(69, 23), None, "at 70d0h next-rung-ahead"),
            (day(70, 0), None, "now 30d [] nothing-rotates-it"),
            (day(70, 0), Some("30d"), "at 86d0h next-rung-ahead"),
            (day(95, 0), None, "now 7d [30d 14d] nothing-rotates-it"),
            (day(95, 0), Some("30d"), "now 7d [14d] nothing-rotates-it"),
            (day(95, 0), Some("7d"), "at 99d0h next-rung-ahead"),
            (day(99, 23), Some("7d"), "now 1d [] nothing-rotates-it"),
            (day(100, 0), Some("1d"), "now expired [] expired"),
            (day(900, 0), None, "now expired [30d 14d 7d 1d] expired"),
            (day(900, 0), Some("expired"), "never expiry-told"),
            (day(10, 0), Some("expired"), "never expiry-told"),
        ];
        for (now, told, expected) in table {
            assert_eq!(answer(now, told, Rotates::Not), expected, "{now} {told:?}");
        }
    }

    #[test]
    fn a_plan_in_time_is_silent_until_it_was_not_kept() {
        let plan = |days, hours| Rotates::Planned { at: day(days, hours) };
        let table = [
            (day(60, 0), plan(67, 0), "at 70d0h plan-in-time"),
            (day(75, 0), plan(93, 0), "at 93d1h plan-in-time"),
            (day(93, 0), plan(93, 0), "at 93d1h plan-in-time"),
            (day(93, 1), plan(93, 0), "now 7d [30d 14d] rotation-overdue"),
            (day(98, 0), plan(99, 0), "at 99d1h plan-in-time"),
            (day(99, 1), plan(99, 0), "now 1d [30d 14d 7d] rotation-overdue"),
            (day(60, 0), plan(50, 0), "at 70d0h next-rung-ahead"),
            (day(101, 0), plan(99, 0), "now expired [30d 14d 7d 1d] expired"),
        ];
        for (now, rotation, expected) in table {
            assert_eq!(answer(now, None, rotation), expected, "{now} {rotation:?}");
        }
    }

    #[test]
    fn what_will_not_rotate_in_time_is_told_like_what_does_not_rotate() {
        let plan = |days, hours| Rotates::Planned { at: day(days, hours) };
        let table = [
            (plan(99, 1), "plan-too-late"),
            (plan(100, 0), "plan-too-late"),
            (plan(400, 0), "plan-too-late"),
            (Rotates::Planned { at: DateTime::<Utc>::MAX_UTC }, "plan-too-late"),
            (Rotates::Overdue, "rotation-overdue"),
            (Rotates::Failing, "rotation-failing"),
            (Rotates::Paused, "rotation-paused"),
        ];
        for (rotation, reason) in table {
            assert_eq!(answer(day(69, 0), None, rotation), "at 70d0h next-rung-ahead", "{rotation:?}");
            assert_eq!(answer(day(70, 0), None, rotation), format!("now 30d [] {reason}"));
            assert_eq!(answer(day(99, 12), Some("7d"), rotation), format!("now 1d [] {reason}"));
        }
    }

    #[test]
    fn no_plan_silences_the_expiry_even_on_a_ladder_without_rungs() {
        let ladder = Ladder::new(Mode::Fixed, &["60d".parse().expect("a duration")]).expect("a ladder");
        for at in [day(50, 0), day(100, 0), day(101, 0)] {
            let rotation = Rotates::Planned { at };
            let (begins_at, expires_at) = (Some(day(0, 0)), day(100, 0));
            let standing = Standing { now: day(99, 23), begins_at, expires_at, ladder: &ladder, told: None, rotation };
            assert!(matches!(next_warning(&standing), Warning::At { at, .. } if at == expires_at), "{at}");
            let late = Standing { now: expires_at, ..standing };
            assert_eq!(shown(&next_warning(&late)), "now expired [] expired", "{at}");
        }
    }

    #[test]
    fn an_hour_of_life_leaves_no_hour_of_patience() {
        let ladder = LadderRule::default().ladder(Nature::RenewsItself, Some(TimeDelta::hours(1)));
        // The last rung lies 108 s before the expiry.
        let expires_at = day(0, 1);
        let at = expires_at - TimeDelta::seconds(108);
        let (begins_at, rotation) = (Some(day(0, 0)), Rotates::Planned { at });
        let standing = Standing { now: at, begins_at, expires_at, ladder: &ladder, told: None, rotation };
        let again = at + TimeDelta::seconds(54);
        assert_eq!(next_warning(&standing), Warning::At { at: again, reason: WarningReason::PlanInTime });
    }

    #[test]
    fn a_ladder_that_changed_tells_no_rung_that_is_less_urgent_than_what_was_told() {
        let rungs = ["20d", "10d"].map(|rung| rung.parse().expect(rung));
        let ladder = Ladder::new(Mode::Fixed, &rungs).expect("a ladder");
        let (begins_at, expires_at, told) = (None, day(100, 0), Some("14d".parse().expect("a rung")));
        let standing =
            Standing { now: day(87, 0), begins_at, expires_at, ladder: &ladder, told, rotation: Rotates::Not };
        assert_eq!(shown(&next_warning(&standing)), "at 90d0h next-rung-ahead");
    }

    #[test]
    fn a_life_without_a_known_begin_has_all_rungs() {
        let ladder = LadderRule::default().ladder(Nature::Ordinary, None);
        let (now, expires_at) = (day(0, 0), day(10, 0));
        let standing =
            Standing { now, begins_at: None, expires_at, ladder: &ladder, told: None, rotation: Rotates::Not };
        assert_eq!(shown(&next_warning(&standing)), "now 14d [30d] nothing-rotates-it");
    }

    #[test]
    fn every_reason_has_one_word_and_a_sentence() {
        for reason in WarningReason::ALL {
            assert_eq!(serde_json::to_value(reason).expect("json"), reason.as_str());
            assert!(!reason.to_string().is_empty() && !reason.to_string().ends_with('.'));
        }
    }
}
