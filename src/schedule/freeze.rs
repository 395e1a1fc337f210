//! Freezes: periods in which no rotation starts.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use super::error::ScheduleError;
use super::text::FreezeText;
use super::wall::read;

const WALL_FORMS: [&str; 4] = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
const REASON_MAX: usize = 256;

/// A period in which no rotation starts, with its reason. An expiry overrules it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Its first day or instant.
    pub from: FreezePoint,
    /// Its last day, which is frozen too, or the instant at which it ends.
    pub until: FreezePoint,
    /// Why nothing may be rotated then; 1 to 256 characters.
    pub reason: String,
}

/// An end of a freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreezePoint {
    /// A whole day in the schedule's zone, such as `2026-12-20`.
    Day(NaiveDate),
    /// A time of the clock in the schedule's zone, such as `2026-12-20T08:00`.
    Wall(NaiveDateTime),
    /// An instant, such as `2026-12-20T08:00:00Z`.
    Instant(DateTime<Utc>),
}

impl FreezePoint {
    /// The instant, if a freeze begins here: a doubtful time is read so that the freeze is longer.
    fn begin(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Day(day) => read(zone, day.and_time(NaiveTime::MIN)).first(),
            Self::Wall(wall) => read(zone, wall).first(),
            Self::Instant(at) => at,
        }
    }

    /// The instant, if a freeze ends here.
    fn end(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Day(day) => {
                let next = day.succ_opt().unwrap_or(NaiveDate::MAX);
                read(zone, next.and_time(NaiveTime::MIN)).last()
            }
            Self::Wall(wall) => read(zone, wall).last(),
            Self::Instant(at) => at,
        }
    }
}

impl Freeze {
    /// Its first instant and the first instant after it, in a zone.
    pub fn span(&self, zone: Tz) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.from.begin(zone), self.until.end(zone))
    }
}

impl FromStr for FreezePoint {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Self::Day(day).checked(text);
        }
        if let Some(wall) = WALL_FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()) {
            return Self::Wall(wall).checked(text);
        }
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| invalid(text))?;
        Self::Instant(at.to_utc()).checked(text)
    }
}

impl FreezePoint {
    /// Refuses years in which no calendar of ours works.
    fn checked(self, text: &str) -> Result<Self, ScheduleError> {
        let year = chrono::Datelike::year(&match self {
            Self::Day(day) => day,
            Self::Wall(wall) => wall.date(),
            Self::Instant(at) => at.date_naive(),
        });
        if (1970..=4000).contains(&year) { Ok(self) } else { Err(invalid(text)) }
    }
}

fn invalid(text: &str) -> ScheduleError {
    ScheduleError::FreezePointInvalid { found: text.chars().take(64).collect() }
}

impl fmt::Display for FreezePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "{day}"),
            Self::Wall(wall) => write!(f, "{}", wall.format("%Y-%m-%dT%H:%M:%S")),
            Self::Instant(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

impl TryFrom<&FreezeText> for Freeze {
    type Error = ScheduleError;

    fn try_from(text: &FreezeText) -> Result<Self, ScheduleError> {
        let freeze =
            Self { from: text.from.parse()?, until: text.until.parse()?, reason: text.reason.trim().to_owned() };
        let length = freeze.reason.chars().count();
        if length == 0 || length > REASON_MAX {
            return Err(ScheduleError::FreezeReason { from: freeze.from.to_string(), length });
        }
        // UTC stands in for every zone: what is reversed in one by hours only is empty, and harmless.
        let (from, until) = freeze.span(Tz::UTC);
        if until <= from {
            let (from, until) = (freeze.from.to_string(), freeze.until.to_string());
            return Err(ScheduleError::FreezeReversed { from, until });
        }
        Ok(freeze)
    }
}

impl From<&Freeze> for FreezeText {
    fn from(freeze: &Freeze) -> Self {
        Self { from: freeze.from.to_string(), until: freeze.until.to_string(), reason: freeze.reason.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freeze(from: &str, until: &str, reason: &str) -> Result<Freeze, ScheduleError> {
        Freeze::try_from(&FreezeText { from: from.to_owned(), until: until.to_owned(), reason: reason.to_owned() })
    }

    fn span(from: &str, until: &str) -> (String, String) {
        let (from, until) = freeze(from, until, "a reason").expect(from).span(Tz::Europe__Berlin);
        (from.format("%FT%H:%MZ").to_string(), until.format("%FT%H:%MZ").to_string())
    }

    #[test]
    fn a_date_freezes_the_whole_day_in_the_zone() {
        let expected = ("2026-12-19T23:00Z".to_owned(), "2027-01-04T23:00Z".to_owned());
        assert_eq!(span("2026-12-20", "2027-01-04"), expected);
        let one_day = ("2026-06-06T22:00Z".to_owned(), "2026-06-07T22:00Z".to_owned());
        assert_eq!(span("2026-06-07", "2026-06-07"), one_day);
    }

    #[test]
    fn a_doubtful_time_makes_the_freeze_longer() {
        let repeated = ("2027-10-31T00:30Z".to_owned(), "2027-10-31T01:45Z".to_owned());
        assert_eq!(span("2027-10-31T02:30", "2027-10-31 02:45"), repeated);
    }

    #[test]
    fn an_instant_is_the_same_in_every_zone() {
        let expected = ("2026-12-20T08:00Z".to_owned(), "2026-12-20T10:00Z".to_owned());
        assert_eq!(span("2026-12-20T08:00:00Z", "2026-12-20T12:00:00+02:00"), expected);
    }

    #[test]
    fn a_freeze_is_refused_with_its_code() {
        let table = [
            (("soon", "2027-01-04", "x"), "freeze-point-invalid"),
            (("2026-12-20", "2026-02-30", "x"), "freeze-point-invalid"),
            (("0001-01-01", "2026-02-20", "x"), "freeze-point-invalid"),
            (("2027-01-04", "2026-12-20", "x"), "freeze-reversed"),
            (("2027-01-04T08:00", "2027-01-04T08:00", "x"), "freeze-reversed"),
            (("2026-12-20", "2027-01-04", " "), "freeze-reason"),
        ];
        for ((from, until, reason), code) in table {
            assert_eq!(freeze(from, until, reason).map_err(|error| error.code()), Err(code), "{from} {until}");
        }
    }

    #[test]
    fn a_point_survives_its_text() {
        for text in ["2026-12-20", "2026-12-20T08:00:00", "2026-12-20T08:00:00Z"] {
            let point: FreezePoint = text.parse().expect(text);
            assert_eq!(point.to_string().parse(), Ok(point));
        }
    }
}
