//! Windows: the only times of the week at which a rotation may start.
//!
//! A window is about what the clock on the wall shows. An instant lies in it if and only if the clock then shows a time
//! in it: on the day of a gap it is shorter or absent, in a repeated range it may open twice.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use super::error::ScheduleError;
use super::zone::{next_shift, offset_at};

const DAYS: [(&str, Weekday); 7] = [
    ("MON", Weekday::Mon),
    ("TUE", Weekday::Tue),
    ("WED", Weekday::Wed),
    ("THU", Weekday::Thu),
    ("FRI", Weekday::Fri),
    ("SAT", Weekday::Sat),
    ("SUN", Weekday::Sun),
];
const DAY_MINUTES: u16 = 1_440;
/// No clock is further than this from UTC.
const FARTHEST: TimeDelta = TimeDelta::hours(16);

/// Days of the week on which it opens, and wall-clock times from which and until which it is open.
///
/// It may cross midnight: then it belongs to the day on which it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// One flag a day, Monday first.
    days: [bool; 7],
    /// Minutes after midnight, 0 to 1,439.
    opens: u16,
    /// Minutes after midnight, 1 to 1,440; not after `opens` if it crosses midnight.
    closes: u16,
}

impl Window {
    /// Says whether the clock shows a time of this window.
    pub fn contains(&self, wall: NaiveDateTime) -> bool {
        [Some(wall.date()), wall.date().pred_opt()]
            .into_iter()
            .flatten()
            .filter_map(|day| self.span_on(day))
            .any(|(from, until)| from <= wall && wall < until)
    }

    /// The wall times from which and until which the window of a day is open.
    fn span_on(&self, day: NaiveDate) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let index = usize::try_from(day.weekday().num_days_from_monday()).ok()?;
        let midnight = day.and_time(chrono::NaiveTime::MIN);
        let minutes = |count: u16| TimeDelta::minutes(i64::from(count));
        let crossing = if self.closes <= self.opens { TimeDelta::days(1) } else { TimeDelta::zero() };
        self.days[index].then(|| (midnight + minutes(self.opens), midnight + minutes(self.closes) + crossing))
    }

    /// The first stretch of time in this window that ends after an instant. A window opens within two months of any
    /// instant, gaps or not.
    pub(super) fn first_piece(&self, zone: Tz, after: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let shown = after.naive_utc() + offset_at(zone, after);
        let start = shown.date().checked_sub_days(chrono::Days::new(2))?;
        start
            .iter_days()
            .take(64)
            .filter_map(|day| self.span_on(day))
            .flat_map(|(from, until)| pieces(zone, from, until))
            .find(|(_, end)| *end > after)
    }
}

/// The stretches of time in which the clock shows a time from `from` and before `until`, in order.
fn pieces(zone: Tz, from: NaiveDateTime, until: NaiveDateTime) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    let last = until.and_utc() + FARTHEST;
    let mut start = from.and_utc() - FARTHEST;
    let mut found: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
    // Between two shifts the offset is constant, and a wall time is one instant.
    while start < last {
        let offset = offset_at(zone, start);
        let end = next_shift(zone, start, last).map_or(last, |shift| shift.at);
        let opens = (from.and_utc() - offset).max(start);
        let closes = (until.and_utc() - offset).min(end);
        match found.last_mut() {
            Some(previous) if opens < closes && previous.1 == opens => previous.1 = closes,
            _ if opens < closes => found.push((opens, closes)),
            _ => {}
        }
        start = end;
    }
    found
}

impl FromStr for Window {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let refuse = |reason| ScheduleError::WindowInvalid { found: text.chars().take(100).collect(), reason };
        let (days, times) = match text.split_whitespace().collect::<Vec<_>>()[..] {
            [times] => ([true; 7], times),
            [days, times] => {
                (read_days(days).ok_or_else(|| refuse("expected days such as `SAT,SUN` or `MON-FRI`"))?, times)
            }
            _ => return Err(refuse("expected days and times, such as `SAT,SUN 02:00-05:00`")),
        };
        let (opens, closes) = times
            .split_once('-')
            .and_then(|(from, until)| Some((read_time(from)?, read_time(until)?)))
            .ok_or_else(|| refuse("expected times such as `02:00-05:00`"))?;
        if opens == DAY_MINUTES {
            return Err(refuse("expected a begin before `24:00`"));
        }
        if opens == closes {
            return Err(refuse("begin and end are equal; write `00:00-24:00` for the whole day"));
        }
        let closes = if closes == 0 { DAY_MINUTES } else { closes };
        Ok(Self { days, opens, closes })
    }
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    let index = |name: &str| DAYS.iter().position(|(day, _)| day.eq_ignore_ascii_case(name));
    for item in text.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (mut day, last) = (index(first)?, index(last)?);
        days[day] = true;
        while day != last {
            day = (day + 1) % 7;
            days[day] = true;
        }
    }
    Some(days)
}

fn read_time(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number =
        |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?;
    let (hour, minute): (u16, u16) = (number(hour)?, number(minute)?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= DAY_MINUTES).then_some(minutes)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != [true; 7] {
            let days: Vec<&str> =
                DAYS.iter().zip(self.days).filter(|(_, is_open)| *is_open).map(|((name, _), _)| *name).collect();
            write!(f, "{} ", days.join(","))?;
        }
        let (opens, closes) = (self.opens, self.closes);
        write!(f, "{:02}:{:02}-{:02}:{:02}", opens / 60, opens % 60, closes / 60, closes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> Window {
        text.parse().expect(text)
    }

    fn open(text: &str, zone: Tz, after: &str) -> (String, String) {
        let after = after.parse().expect("a time");
        let (from, until) = window(text).first_piece(zone, after).expect("a window opens");
        (from.format("%FT%H:%M").to_string(), until.format("%FT%H:%M").to_string())
    }

    #[test]
    fn a_window_survives_its_text() {
        for text in ["02:00-05:00", "SAT,SUN 02:00-05:00", "22:00-04:00", "MON 00:00-24:00", "FRI 23:30-00:15"] {
            assert_eq!(window(text).to_string(), text);
        }
        assert_eq!(window("mon-wed 22:00-00:00").to_string(), "MON,TUE,WED 22:00-24:00");
        assert_eq!(window("FRI-MON 01:00-02:00").to_string(), "MON,FRI,SAT,SUN 01:00-02:00");
    }

    #[test]
    fn a_window_that_cannot_be_read_is_an_error() {
        let table = [
            "",
            "SAT",
            "SAT SUN 02:00-05:00",
            "SAT,",
            "SATURDAY 02:00-05:00",
            "2-5",
            "02:00",
            "02:00-02:00",
            "24:00-02:00",
            "02:60-05:00",
            "25:00-26:00",
            "02:00-24:01",
            "2:00-5:00",
            "02:00–05:00",
            "+2:00-05:00",
        ];
        for text in table {
            assert_eq!(text.parse::<Window>().map_err(|error| error.code()), Err("window-invalid"), "{text}");
        }
    }

    #[test]
    fn a_window_across_midnight_belongs_to_the_day_on_which_it_opens() {
        let window = window("SAT 22:00-04:00");
        let wall = |text: &str| text.parse::<NaiveDateTime>().expect(text);
        assert!(window.contains(wall("2026-06-06T22:00:00")), "Saturday evening");
        assert!(window.contains(wall("2026-06-07T03:59:59")), "Sunday morning");
        assert!(!window.contains(wall("2026-06-07T04:00:00")) && !window.contains(wall("2026-06-06T03:00:00")));
        let found = open("SAT 22:00-04:00", Tz::UTC, "2026-06-07T01:00:00Z");
        assert_eq!(found, ("2026-06-06T22:00".to_owned(), "2026-06-07T04:00".to_owned()));
    }

    #[test]
    fn a_window_inside_a_gap_stays_shut_that_day() {
        let found = open("02:00-03:00", Tz::Europe__Berlin, "2027-03-27T12:00:00Z");
        assert_eq!(found, ("2027-03-29T00:00".to_owned(), "2027-03-29T01:00".to_owned()));
        let cut = open("02:00-05:00", Tz::Europe__Berlin, "2027-03-27T12:00:00Z");
        assert_eq!(cut, ("2027-03-28T01:00".to_owned(), "2027-03-28T03:00".to_owned()));
    }

    #[test]
    fn a_window_inside_a_repeated_hour_opens_twice() {
        let table = [
            ("2027-10-30T12:00:00Z", "2027-10-31T00:10", "2027-10-31T00:40"),
            ("2027-10-31T00:40:00Z", "2027-10-31T01:10", "2027-10-31T01:40"),
        ];
        for (after, from, until) in table {
            assert_eq!(open("02:10-02:40", Tz::Europe__Berlin, after), (from.to_owned(), until.to_owned()));
        }
        let whole = open("01:00-05:00", Tz::Europe__Berlin, "2027-10-30T12:00:00Z");
        assert_eq!(whole, ("2027-10-30T23:00".to_owned(), "2027-10-31T04:00".to_owned()));
    }

    #[test]
    fn a_window_on_a_day_that_the_zone_skips_waits_for_the_next_week() {
        let found = open("FRI 02:00-05:00", Tz::Pacific__Apia, "2011-12-29T12:00:00Z");
        assert_eq!(found, ("2012-01-05T12:00".to_owned(), "2012-01-05T15:00".to_owned()));
    }
}
