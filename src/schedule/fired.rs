//! What becomes of a plan whose moment has come: what is run, what is given up, and how the plan goes on.

use chrono::{DateTime, TimeDelta, Utc};

use super::compiled::CompiledSchedule;
use super::context::DueContext;
use super::due::{NeverBecause, NextDue, Question};
use super::missed::{MISSED_CAP, Missed};
use super::rhythm::Rhythm;
use super::rule::MissedPolicy;

/// A planned moment that has come, and the fires of the rule that passed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// Fires that are given up, as the policy says.
    pub skipped: Option<Missed>,
    /// Fires that one rotation runs, or makes up for.
    pub wanted: Option<Missed>,
    /// The plan after these. Without a rotation that is wanted, the expiry is heard as well.
    pub next: NextDue,
}

/// Says what becomes of the plan `due` at `cx.now`, which is not before it. Intervals go on counting from `cx.after`,
/// however late it is.
pub fn fired(schedule: &CompiledSchedule, cx: &DueContext<'_>, due: DateTime<Utc>) -> Fired {
    let question = Question { schedule, cx, deadline: cx.deadline() };
    let all = question.all_since(due);
    let repeats = matches!(schedule.rhythm, Rhythm::Every(_) | Rhythm::Calendar { .. });
    if schedule.missed == MissedPolicy::RunOnce || !repeats {
        return Fired { skipped: None, wanted: Some(all), next: question.next_fire() };
    }
    if all.count == 1 {
        if question.is_on_time(due) {
            return Fired { skipped: None, wanted: Some(all), next: question.next_fire() };
        }
        return Fired { skipped: Some(all), wanted: None, next: question.heard(question.next_fire()) };
    }
    let before_last = question.last_before(due, all.last);
    let earlier = Missed { last: before_last, count: all.count - 1, ..all };
    match question.place(all.last, all.last) {
        Ok(last) if last.due.at > cx.now => {
            Fired { skipped: Some(earlier), wanted: None, next: question.heard(NextDue::At(last.due)) }
        }
        Ok(last) if question.is_open(&last) => {
            let wanted = Missed { first: all.last, last: all.last, count: 1, is_at_least: false };
            Fired { skipped: Some(earlier), wanted: Some(wanted), next: question.next_fire() }
        }
        _ => Fired { skipped: Some(all), wanted: None, next: question.heard(question.next_fire()) },
    }
}

/// The first moment from `cx.now` on at which a planned rotation may start: now, or when window and freezes allow it,
/// or at the deadline in spite of them. `None` if there is no such moment within five years.
pub fn may_start_at(schedule: &CompiledSchedule, cx: &DueContext<'_>) -> Option<DateTime<Utc>> {
    let allowed = schedule.slots.first_after(cx.now).map(|slot| slot.open.max(cx.now));
    let deadline = cx.deadline().map(|deadline| deadline.max(cx.now));
    allowed.into_iter().chain(deadline).min()
}

impl Question<'_> {
    /// The plan itself and the fires of the rule after it, up to now.
    fn all_since(&self, due: DateTime<Utc>) -> Missed {
        let (rhythm, anchor, now) = (&self.schedule.rhythm, self.cx.after, self.cx.now);
        let alone = Missed { first: due, last: due, count: 1, is_at_least: false };
        if let Rhythm::Every(every) = rhythm {
            let fires_until = |at: DateTime<Utc>| (at - anchor).num_seconds().max(0) / every.num_seconds();
            let more = u64::try_from(fires_until(now) - fires_until(due)).unwrap_or(0);
            let last = rhythm.last_between(anchor, due, now).unwrap_or(due);
            return Missed { last, count: 1 + more, ..alone };
        }
        let mut all = alone;
        while let Some(next) = rhythm.next(anchor, all.last).filter(|at| *at <= now) {
            if all.count == MISSED_CAP {
                let last = rhythm.last_between(anchor, all.last, now).unwrap_or(next);
                return Missed { last, is_at_least: true, ..all };
            }
            all = Missed { last: next, count: all.count + 1, ..all };
        }
        all
    }

    fn last_before(&self, due: DateTime<Utc>, end: DateTime<Utc>) -> DateTime<Utc> {
        let until = end - TimeDelta::microseconds(1);
        self.schedule.rhythm.last_between(self.cx.after, due, until).unwrap_or(due)
    }

    /// Whether a plan that came due can still be run on time. What the expiry had decided always can.
    fn is_on_time(&self, due: DateTime<Utc>) -> bool {
        if self.deadline.is_some_and(|deadline| due >= deadline) {
            return true;
        }
        match self.place(due, due) {
            // A moment that the rule gave lies in its slot already; no jitter is added again.
            Ok(placed) => self.is_open(&placed.at(due)),
            Err(_) => false,
        }
    }

    /// The first fire of the rule after now, in its place. A share of a lifetime has no other fire.
    fn next_fire(&self) -> NextDue {
        match self.schedule.rhythm.next(self.cx.after, self.cx.now) {
            Some(next) => self.place(next, next).map_or_else(NextDue::Never, |placed| NextDue::At(placed.due)),
            None => NextDue::Never(match self.schedule.rhythm {
                Rhythm::Manual => NeverBecause::Manual,
                Rhythm::Lifetime(_) => NeverBecause::NoLifetime,
                Rhythm::Every(_) | Rhythm::Calendar { .. } => NeverBecause::NoOccurrence,
            }),
        }
    }

    /// The expiry is heard where no rotation is wanted yet.
    fn heard(&self, next: NextDue) -> NextDue {
        match (self.deadline, next) {
            (Some(deadline), NextDue::At(due)) if due.at > deadline.max(self.cx.now) => {
                NextDue::At(self.by_deadline(deadline, due.planned_at))
            }
            (Some(deadline), NextDue::Never(because)) if because != NeverBecause::Manual => {
                NextDue::At(self.by_deadline(deadline, deadline))
            }
            (_, next) => next,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::schedule::{Lifetime, Schedule};

    const CREATED: &str = "2026-06-01T00:00:00Z"; // a Monday
    const WINDOW: &str = "window = \"SAT 02:00-05:00\"";

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn ask<T>(
        toml: &str,
        now: &str,
        lifetime_days: Option<i64>,
        answer: impl Fn(&CompiledSchedule, &DueContext<'_>) -> T,
    ) -> T {
        let after = at(CREATED);
        let lives_until = lifetime_days.map(|days| after + TimeDelta::days(days));
        let lifetime = lives_until.map(|expires_at| Lifetime { starts_at: after, expires_at });
        let expiry_margin = Duration::from_hours(24);
        let cx = DueContext { after, now: at(now), secret_id: "sec", lifetime, expiry_margin };
        answer(&toml::from_str::<Schedule>(toml).expect(toml).compile(), &cx)
    }

    fn shown(row: Option<&Missed>) -> String {
        row.map_or("none".to_owned(), |row| {
            format!("{}..{} {}", row.first.format("%dT%H:%M"), row.last.format("%dT%H:%M"), row.count)
        })
    }

    /// Skipped, wanted and next, as text.
    fn fired_as_text(toml: &str, due: &str, now: &str, lifetime_days: Option<i64>) -> String {
        let fired = ask(toml, now, lifetime_days, |schedule, cx| fired(schedule, cx, at(due)));
        let next = match fired.next {
            NextDue::At(due) => due.at.format("%m-%dT%H:%M").to_string(),
            NextDue::Never(because) => format!("never {because:?}"),
        };
        format!("{} | {} | {next}", shown(fired.skipped.as_ref()), shown(fired.wanted.as_ref()))
    }

    #[test]
    fn fires_that_passed_are_one_row_that_is_run_or_given_up() {
        let (due, late) = ("2026-06-02T00:00:00Z", "2026-06-04T12:00:00Z");
        let table = [
            ("name = \"daily\"", due, "none | 02T00:00..02T00:00 1 | 06-03T00:00"),
            ("name = \"daily\"", late, "none | 02T00:00..04T00:00 3 | 06-05T00:00"),
            ("every = \"1d\"", late, "none | 02T00:00..04T00:00 3 | 06-05T00:00"),
            ("name = \"daily\"\nmissed = \"skip\"", late, "02T00:00..04T00:00 3 | none | 06-05T00:00"),
            ("every = \"1d\"\nmissed = \"skip\"", late, "02T00:00..04T00:00 3 | none | 06-05T00:00"),
            ("every = \"1d\"\nmissed = \"skip\"", due, "none | 02T00:00..02T00:00 1 | 06-03T00:00"),
        ];
        for (toml, now, expected) in table {
            assert_eq!(fired_as_text(toml, due, now, None), expected, "{toml} {now}");
        }
    }

    #[test]
    fn the_last_fire_is_run_when_it_is_still_on_time() {
        let toml = "name = \"daily\"\nmissed = \"skip\"";
        let found = fired_as_text(toml, "2026-06-02T00:00:00Z", "2026-06-04T00:05:00Z", None);
        assert_eq!(found, "02T00:00..03T00:00 2 | 04T00:00..04T00:00 1 | 06-05T00:00");
        let found = fired_as_text(toml, "2026-06-02T00:00:00Z", "2026-06-04T00:05:01Z", None);
        assert_eq!(found, "02T00:00..04T00:00 3 | none | 06-05T00:00");
    }

    #[test]
    fn a_window_that_is_open_keeps_its_fire_on_time() {
        let toml = format!("every = \"5d\"\nmissed = \"skip\"\n{WINDOW}");
        let due = "2026-06-06T02:00:00Z";
        let found = fired_as_text(&toml, due, "2026-06-06T04:59:00Z", None);
        assert_eq!(found, "none | 06T02:00..06T02:00 1 | 06-13T02:00");
        let found = fired_as_text(&toml, due, "2026-06-06T05:00:00Z", None);
        assert_eq!(found, "06T02:00..06T02:00 1 | none | 06-13T02:00");
    }

    #[test]
    fn what_the_expiry_decided_fires_and_is_not_skipped() {
        let table = [
            ("at_lifetime = \"2/3\"", "2026-06-21T00:00:00Z", "none | 21T00:00..21T00:00 1 | never NoLifetime"),
            (
                "every = \"300d\"\nmissed = \"skip\"",
                "2026-06-30T00:00:00Z",
                "none | 30T00:00..30T00:00 1 | 03-28T00:00",
            ),
        ];
        for (toml, due, expected) in table {
            assert_eq!(fired_as_text(toml, due, "2026-06-30T12:00:00Z", Some(30)), expected, "{toml}");
        }
        let skipping = "name = \"weekly\"\nmissed = \"skip\"";
        let found = fired_as_text(skipping, "2026-06-14T00:00:00Z", "2026-06-16T00:00:00Z", Some(20));
        assert_eq!(found, "14T00:00..14T00:00 1 | none | 06-20T00:00");
    }

    #[test]
    fn a_rotation_starts_where_window_and_freezes_allow_it_or_at_the_deadline() {
        let freeze = "freeze = [{ from = \"2026-06-02\", until = \"2026-06-03\", reason = \"audit\" }]";
        let table = [
            ("every = \"2d\"".to_owned(), "2026-06-03T00:00:00Z", None, "06-03T00:00"),
            (format!("every = \"2d\"\n{WINDOW}"), "2026-06-03T00:00:00Z", None, "06-06T02:00"),
            (format!("every = \"2d\"\n{WINDOW}"), "2026-06-06T03:00:00Z", None, "06-06T03:00"),
            (format!("every = \"2d\"\n{WINDOW}"), "2026-06-03T00:00:00Z", Some(4), "06-04T00:00"),
            (format!("every = \"2d\"\n{WINDOW}"), "2026-06-05T00:00:00Z", Some(4), "06-05T00:00"),
            (format!("every = \"2d\"\n{freeze}"), "2026-06-03T10:00:00Z", None, "06-04T00:00"),
        ];
        for (toml, now, lifetime, expected) in table {
            let found = ask(&toml, now, lifetime, may_start_at).map(|at| at.format("%m-%dT%H:%M").to_string());
            assert_eq!(found.as_deref(), Some(expected), "{toml} {now}");
        }
    }
}
