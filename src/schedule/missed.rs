//! The plan, and the fires that passed unused.

use chrono::{DateTime, Utc};

use super::compiled::CompiledSchedule;
use super::context::DueContext;
use super::rhythm::Rhythm;

/// The number of missed fires of a cron rule beyond which they are no longer counted.
pub const MISSED_CAP: u64 = 10_000;

/// Planned fires that passed: one row, however many there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The first of them.
    pub first: DateTime<Utc>,
    /// The last of them.
    pub last: DateTime<Utc>,
    /// How many there are; at least so many if `is_at_least`.
    pub count: u64,
    /// Whether counting stopped at [`MISSED_CAP`].
    pub is_at_least: bool,
}

/// Lists the planned fires after `from` up to and including `until`, at most `limit` of them.
///
/// They are the rule's own: windows, freezes and jitter move single fires, which [`super::next_due`] says. Intervals
/// count from `cx.after`, as if each rotation were published at its fire.
pub fn occurrences_between(
    schedule: &CompiledSchedule,
    cx: &DueContext<'_>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: usize,
) -> Vec<DateTime<Utc>> {
    let rhythm = &schedule.rhythm;
    let first = match rhythm {
        Rhythm::Lifetime(_) => rhythm.first(cx).filter(|at| *at > from),
        _ => rhythm.next(cx.after, from),
    };
    std::iter::successors(first, |at| rhythm.next(cx.after, *at)).take_while(|at| *at <= until).take(limit).collect()
}

/// Sums up the planned fires after `last_planned` up to and including `now`; `None` if there are none.
///
/// `last_planned` is the last fire that was accounted for; intervals go on from it. The work is bounded: a cron rule is
/// counted up to [`MISSED_CAP`] (some milliseconds), while `first` and `last` stay true; intervals are computed. A
/// share of a lifetime has no neighbours, and is never missed in this sense.
pub fn missed(schedule: &CompiledSchedule, last_planned: DateTime<Utc>, now: DateTime<Utc>) -> Option<Missed> {
    let rhythm = &schedule.rhythm;
    let first = rhythm.next(last_planned, last_planned).filter(|at| *at <= now)?;
    if let Rhythm::Every(every) = rhythm {
        let count = (now - last_planned).num_seconds() / every.num_seconds();
        let last = rhythm.last_between(last_planned, last_planned, now)?;
        return Some(Missed { first, last, count: u64::try_from(count).unwrap_or(0), is_at_least: false });
    }
    let mut last = first;
    let mut count = 1;
    while let Some(next) = rhythm.next(last_planned, last).filter(|at| *at <= now) {
        if count == MISSED_CAP {
            let last = rhythm.last_between(last_planned, last, now)?;
            return Some(Missed { first, last, count, is_at_least: true });
        }
        (last, count) = (next, count + 1);
    }
    Some(Missed { first, last, count, is_at_least: false })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::schedule::Schedule;

    fn compiled(toml: &str) -> CompiledSchedule {
        toml::from_str::<Schedule>(toml).expect(toml).compile()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn plan(toml: &str, from: &str, until: &str, limit: usize) -> Vec<String> {
        let after = at("2026-06-01T00:00:00Z");
        let cx = DueContext { after, now: after, secret_id: "sec", lifetime: None, expiry_margin: Duration::ZERO };
        let fires = occurrences_between(&compiled(toml), &cx, at(from), at(until), limit);
        fires.iter().map(|at| at.format("%dT%H:%M").to_string()).collect()
    }

    #[test]
    fn the_plan_leaves_out_its_begin_and_includes_its_end() {
        let (from, until) = ("2026-06-01T00:00:00Z", "2026-06-03T00:00:00Z");
        assert_eq!(plan("name = \"daily\"", from, until, 9), ["02T00:00", "03T00:00"]);
        assert_eq!(plan("every = \"16h\"", from, until, 9), ["01T16:00", "02T08:00", "03T00:00"]);
        assert_eq!(plan("every = \"16h\"", from, until, 2), ["01T16:00", "02T08:00"]);
        assert!(plan("manual = true", from, until, 9).is_empty());
    }

    #[test]
    fn missed_fires_are_one_row() {
        let table = [
            ("name = \"daily\"", "2026-06-04T12:00:00Z", Some(("2026-06-02T00:00:00Z", "2026-06-04T00:00:00Z", 3))),
            ("every = \"12h\"", "2026-06-04T12:00:00Z", Some(("2026-06-01T12:00:00Z", "2026-06-04T12:00:00Z", 7))),
            ("every = \"12h\"", "2026-06-01T11:59:59Z", None),
            ("name = \"weekly\"", "2026-06-04T12:00:00Z", None),
            ("cron = \"0 0 31 2 *\"", "2026-06-04T12:00:00Z", None),
            ("at_lifetime = \"2/3\"", "2026-06-04T12:00:00Z", None),
        ];
        for (toml, now, expected) in table {
            let expected = expected.map(|(first, last, count)| Missed {
                first: at(first),
                last: at(last),
                count,
                is_at_least: false,
            });
            assert_eq!(missed(&compiled(toml), at("2026-06-01T00:00:00Z"), at(now)), expected, "{toml}");
        }
    }

    #[test]
    fn years_of_missed_seconds_are_summed_up_in_bounded_work() {
        let (from, now) = (at("1990-01-01T00:00:00Z"), at("2026-01-01T00:00:30.5Z"));
        let cron = missed(&compiled("cron = \"* * * * * *\"\nseconds = true"), from, now).expect("missed");
        assert_eq!((cron.count, cron.is_at_least), (MISSED_CAP, true));
        assert_eq!(cron.last, at("2026-01-01T00:00:30Z"));
        let every = missed(&compiled("every = \"1s\""), from, now).expect("missed");
        assert_eq!((every.count, every.is_at_least), (1_136_073_630, false));
    }

    #[test]
    fn counting_up_to_the_cap_is_exact() {
        let from = at("2026-06-01T00:00:00Z");
        let minutes = |count| missed(&compiled("cron = \"* * * * *\""), from, from + chrono::TimeDelta::minutes(count));
        assert_eq!(minutes(10_000).map(|row| (row.count, row.is_at_least)), Some((10_000, false)));
        assert_eq!(minutes(10_001).map(|row| (row.count, row.is_at_least)), Some((10_000, true)));
    }
}
