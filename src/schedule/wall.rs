//! From what the clock on the wall shows to instants: the daylight-saving rule.
//!
//! - **Fixed** (the hour field holds numbers only): each matching wall time runs once: in the first pass of a repeated
//!   range, and at the first instant after a gap if the clock skips it. Two wall times that meet at one instant are one
//!   fire.
//! - **Elapsed** (a `*` or a step in the hour field): runs whenever the clock shows a matching time, so through both
//!   passes of a repeated range. A time inside a gap does not exist and is dropped, except when nothing else fires
//!   within the hour after the gap: then it runs at the first instant after the gap, for a lost run of `0 */12 * * *`
//!   would be half a day.
//!
//! croner walks the calendar without a zone; its own zone rule is not used, because it drops `0,30 2 * * *` on the day
//! of a gap and runs `0 2,3 * * *` twice.

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::cron::{CronPattern, Hours};
use super::zone::{first_second, next_shift, offset_at, wall_at};

/// No clock is further than this from UTC.
const FARTHEST: TimeDelta = TimeDelta::hours(16);
/// A time lost in a gap is made up unless another fire comes within this time after the gap.
const SOON: TimeDelta = TimeDelta::hours(1);

/// At which instants the clock shows a wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// At one instant.
    Single(DateTime<Utc>),
    /// At two, because the clock was set back.
    Twice {
        /// The first pass.
        first: DateTime<Utc>,
        /// The second pass.
        second: DateTime<Utc>,
    },
    /// Never, because the clock was set forward.
    Skipped {
        /// The first instant after the gap.
        resumes_at: DateTime<Utc>,
    },
}

impl Reading {
    /// The instant of a thing that happens once: the first pass, or the first instant after a gap.
    pub(super) fn first(self) -> DateTime<Utc> {
        match self {
            Self::Single(at) | Self::Twice { first: at, .. } | Self::Skipped { resumes_at: at } => at,
        }
    }

    /// The last instant that shows the wall time, or the first after a gap.
    pub(super) fn last(self) -> DateTime<Utc> {
        match self {
            Self::Single(at) | Self::Twice { second: at, .. } | Self::Skipped { resumes_at: at } => at,
        }
    }
}

/// Finds the instants at which the clock shows `wall`.
pub(super) fn read(zone: Tz, wall: NaiveDateTime) -> Reading {
    let found = zone.from_local_datetime(&wall);
    match (found.earliest(), found.latest()) {
        (Some(first), Some(second)) if first != second => {
            Reading::Twice { first: first.to_utc(), second: second.to_utc() }
        }
        (Some(only), _) => Reading::Single(only.to_utc()),
        (None, _) => {
            let (low, high) = (wall.and_utc() - FARTHEST, wall.and_utc() + FARTHEST);
            Reading::Skipped { resumes_at: first_second(low, high, |at| wall_at(zone, at) >= wall) }
        }
    }
}

/// Finds the first fire of a pattern after an instant; `None` if the pattern never matches.
pub(super) fn next_fire(zone: Tz, pattern: &CronPattern, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    match pattern.hours() {
        Hours::Fixed => next_fixed(zone, pattern, after),
        Hours::Elapsed => next_elapsed(zone, pattern, after),
    }
}

fn next_fixed(zone: Tz, pattern: &CronPattern, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let shown = wall_at(zone, after);
    let mut wall = match read(zone, shown) {
        // In the second pass every repeated time has run: go on where the repeated range ends.
        Reading::Twice { first, second } if second <= after => {
            let shift = next_shift(zone, first, second)?;
            pattern.next_wall(shift.at.naive_utc() + shift.before, true)?
        }
        _ => pattern.next_wall(shown, false)?,
    };
    loop {
        let at = read(zone, wall).first();
        if at > after {
            return Some(at);
        }
        wall = pattern.next_wall(wall, false)?;
    }
}

fn next_elapsed(zone: Tz, pattern: &CronPattern, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut from = after;
    let mut offset = offset_at(zone, from);
    let mut wall = pattern.next_wall(from.naive_utc() + offset, false)?;
    loop {
        let at = (wall - offset).and_utc();
        let Some(shift) = next_shift(zone, from, at) else { return Some(at) };
        let resumes = shift.at.naive_utc() + shift.after;
        let following = pattern.next_wall(resumes, true)?;
        let is_swallowed = wall < resumes && shift.after > shift.before;
        if is_swallowed && following - resumes > SOON {
            return Some(shift.at);
        }
        (from, offset, wall) = (shift.at, shift.after, following);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::cron::{CronText, Precision};

    fn fires(zone: &str, cron: &str, from: &str, until: &str) -> Vec<String> {
        let zone: Tz = zone.parse().expect("a zone");
        let pattern = CronText::parse(cron, Precision::Minutes).expect("a cron text").compile();
        let until: DateTime<Utc> = until.parse().expect("a time");
        let first: DateTime<Utc> = from.parse().expect("a time");
        std::iter::successors(next_fire(zone, &pattern, first), |at| next_fire(zone, &pattern, *at))
            .take_while(|at| *at <= until)
            .map(|at| at.with_timezone(&zone).format("%dT%H:%M%:z").to_string())
            .collect()
    }

    #[test]
    fn fixed_hours_run_once_on_the_day_of_a_gap() {
        let day = ("2027-03-27T22:59:59Z", "2027-03-28T22:00:00Z");
        let table: [(&str, &[&str]); 7] = [
            ("30 2 * * *", &["28T03:00+02:00"]),
            ("0,30 2 * * *", &["28T03:00+02:00"]),
            ("0 2,3 * * *", &["28T03:00+02:00"]),
            ("30 2,3 * * *", &["28T03:00+02:00", "28T03:30+02:00"]),
            ("*/30 2 * * *", &["28T03:00+02:00"]),
            ("15 1 * * *", &["28T01:15+01:00"]),
            ("0 1-3 * * *", &["28T01:00+01:00", "28T03:00+02:00"]),
        ];
        for (cron, expected) in table {
            assert_eq!(fires("Europe/Berlin", cron, day.0, day.1), expected, "{cron}");
        }
    }

    #[test]
    fn fixed_hours_run_in_the_first_pass_of_a_repeated_hour() {
        let day = ("2027-10-30T21:59:59Z", "2027-10-31T22:59:00Z");
        let table: [(&str, &[&str]); 4] = [
            ("30 2 * * *", &["31T02:30+02:00"]),
            ("0,30 2 * * *", &["31T02:00+02:00", "31T02:30+02:00"]),
            ("0 2,3 * * *", &["31T02:00+02:00", "31T03:00+01:00"]),
            ("0 0 * * *", &["31T00:00+02:00"]),
        ];
        for (cron, expected) in table {
            assert_eq!(fires("Europe/Berlin", cron, day.0, day.1), expected, "{cron}");
        }
    }

    #[test]
    fn elapsed_hours_run_through_a_repeated_hour_and_over_a_gap() {
        let back = fires("Europe/Berlin", "*/30 * * * *", "2027-10-30T23:31:00Z", "2027-10-31T02:00:00Z");
        let times = ["02:00+02:00", "02:30+02:00", "02:00+01:00", "02:30+01:00", "03:00+01:00"];
        assert_eq!(back, times.map(|time| format!("31T{time}")));
        let forward = fires("Europe/Berlin", "15 * * * *", "2027-03-27T23:30:00Z", "2027-03-28T02:00:00Z");
        assert_eq!(forward, ["28T01:15+01:00", "28T03:15+02:00"]);
    }

    #[test]
    fn a_wide_step_that_a_gap_swallows_runs_after_the_gap() {
        // Cairo's clocks go from 00:00 to 01:00 at the end of April.
        let coarse = fires("Africa/Cairo", "30 */12 * * *", "2027-04-29T12:00:00Z", "2027-04-30T10:00:00Z");
        assert_eq!(coarse, ["30T01:00+03:00", "30T12:30+03:00"]);
        let hourly = fires("Africa/Cairo", "30 * * * *", "2027-04-29T21:00:00Z", "2027-04-29T23:00:00Z");
        assert_eq!(hourly, ["29T23:30+02:00", "30T01:30+03:00"]);
    }

    #[test]
    fn a_half_hour_shift_is_no_special_case() {
        let spring = ("2027-10-02T13:00:00Z", "2027-10-02T16:30:00Z");
        let zone = "Australia/Lord_Howe";
        assert_eq!(fires(zone, "15 2 * * *", spring.0, spring.1), ["03T02:30+11:00"]);
        assert_eq!(fires(zone, "30 2 * * *", spring.0, spring.1), ["03T02:30+11:00"]);
        assert_eq!(
            fires(zone, "0 * * * *", spring.0, spring.1),
            ["03T00:00+10:30", "03T01:00+10:30", "03T03:00+11:00"]
        );
    }

    #[test]
    fn a_day_that_a_zone_skips_loses_no_fire() {
        let (from, until) = ("2011-12-30T09:00:00Z", "2011-12-31T00:00:00Z");
        assert_eq!(fires("Pacific/Apia", "0 3 30 * *", from, until), ["31T00:00+14:00"]);
        assert_eq!(fires("Pacific/Apia", "0 3 * * *", from, until), ["31T00:00+14:00", "31T03:00+14:00"]);
        assert_eq!(fires("Pacific/Apia", "0 * 30 * *", from, until), ["31T00:00+14:00"]);
    }

    #[test]
    fn asking_from_inside_the_second_pass_gives_the_next_day() {
        let second_pass = "2027-10-31T01:15:00Z";
        assert_eq!(fires("Europe/Berlin", "30 2 * * *", second_pass, "2027-11-01T02:00:00Z"), ["01T02:30+01:00"]);
    }
}
