//! Time zones as rows of constant offsets, and the instants at which the offset changes.
//!
//! The zone data is compiled in; it is never read from the host, so that all replicas of one release agree.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// No zone changes its offset twice within this time (closest since 1970: about a month, for Ramadan).
const STRIDE: TimeDelta = TimeDelta::days(7);

/// Gives the release of the IANA time zone database that this binary carries, such as `2025b`.
///
/// The store keeps it beside the due times that were made with it; a binary that carries another release recomputes
/// them.
pub fn zone_data_version() -> &'static str {
    chrono_tz::IANA_TZDB_VERSION
}

/// An instant at which a zone's clocks are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shift {
    /// The first instant of the new offset.
    pub(super) at: DateTime<Utc>,
    /// The offset east of UTC until then.
    pub(super) before: TimeDelta,
    /// The offset east of UTC from then on.
    pub(super) after: TimeDelta,
}

/// What the clock on the wall shows at an instant.
pub(super) fn wall_at(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&zone).naive_local()
}

/// The offset east of UTC at an instant.
pub(super) fn offset_at(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    let offset = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    TimeDelta::seconds(i64::from(offset.local_minus_utc()))
}

/// The first shift after `from`, up to and including `until`.
pub(super) fn next_shift(zone: Tz, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<Shift> {
    let before = offset_at(zone, from);
    let mut low = from;
    while low < until {
        let high = low.checked_add_signed(STRIDE).map_or(until, |next| next.min(until));
        if offset_at(zone, high) != before {
            let at = first_second(low, high, |at| offset_at(zone, at) != before);
            return Some(Shift { at, before, after: offset_at(zone, at) });
        }
        low = high;
    }
    None
}

/// The first whole second in `(low, high]` at which a condition holds that is false at `low`, true at `high`, and
/// changes once.
pub(super) fn first_second(
    low: DateTime<Utc>,
    high: DateTime<Utc>,
    holds: impl Fn(DateTime<Utc>) -> bool,
) -> DateTime<Utc> {
    let second = |seconds: i64| DateTime::from_timestamp(seconds, 0).expect("between two valid times");
    let (mut low, mut high) = (low.timestamp(), high.timestamp());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(second(middle)) { high = middle } else { low = middle }
    }
    second(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect("a valid time")
    }

    #[test]
    fn a_shift_is_found_at_its_first_second() {
        let table = [
            ("Europe/Berlin", "2027-01-01T00:00:00Z", "2027-03-28T01:00:00Z", 3_600),
            ("Europe/Berlin", "2027-03-28T01:00:00Z", "2027-10-31T01:00:00Z", -3_600),
            ("Australia/Lord_Howe", "2027-01-01T00:00:00Z", "2027-04-03T15:00:00Z", -1_800),
            ("Europe/Dublin", "2027-01-01T00:00:00Z", "2027-03-28T01:00:00Z", 3_600),
            ("Pacific/Apia", "2011-10-01T00:00:00Z", "2011-12-30T10:00:00Z", 86_400),
        ];
        for (zone, from, at, moved) in table {
            let zone: Tz = zone.parse().expect("a zone");
            let shift = next_shift(zone, utc(from), utc("2030-01-01T00:00:00Z")).expect("a shift");
            assert_eq!((shift.at, (shift.after - shift.before).num_seconds()), (utc(at), moved), "{zone}");
        }
    }

    #[test]
    fn a_shift_at_the_end_of_the_search_counts_and_one_after_it_does_not() {
        let at = utc("2027-03-28T01:00:00Z");
        let zone = Tz::Europe__Berlin;
        assert!(next_shift(zone, utc("2027-03-01T00:00:00Z"), at).is_some());
        assert!(next_shift(zone, utc("2027-03-01T00:00:00Z"), at - TimeDelta::seconds(1)).is_none());
        assert!(next_shift(zone, at, utc("2027-10-01T00:00:00Z")).is_none());
    }

    #[test]
    fn the_zone_data_names_its_release() {
        assert!(zone_data_version().len() == 5 && zone_data_version().starts_with("20"), "{}", zone_data_version());
    }
}
