//! Durations as people write them: `90d`, `12h`, `1h30m`.
//!
//! A day is 24 hours and a week 7 days of elapsed time; calendars are the business of cron rules. There is no month
//! and no year, because their lengths differ. Zero is no duration: leave the setting out.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::TimeDelta;

const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Why a text is not a duration. Raised when settings are read; the operator writes another text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is not a row of numbers with units, largest unit first.
    #[error("`{found}` is not a duration: expected numbers with `w`, `d`, `h`, `m` or `s`, the largest unit first")]
    Form {
        /// The text as written, cut to 64 characters.
        found: String,
    },
    /// The duration is zero.
    #[error("`{found}` is too short: expected at least `1s`")]
    TooShort {
        /// The text as written, cut to 64 characters.
        found: String,
    },
    /// The duration is longer than 100 years of 365.25 days.
    #[error("`{found}` is too long: expected at most `36525d`, a hundred years")]
    TooLong {
        /// The text as written, cut to 64 characters.
        found: String,
    },
}

impl DurationError {
    /// The stable kebab-case code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Form { .. } => "duration-form",
            Self::TooShort { .. } => "duration-too-short",
            Self::TooLong { .. } => "duration-too-long",
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Form { .. } => "write for example `90d`, `12h` or `1h30m`; months and years differ in length",
            Self::TooShort { .. } => "write `1s` or more, or leave the setting out",
            Self::TooLong { .. } => "write `36525d` or less, or rotate by hand with `manual = true`",
        }
    }
}

/// A length of elapsed time in whole seconds, from one second to a hundred years (36,525 days).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HumanDuration(u64);

impl HumanDuration {
    /// The shortest duration, one second.
    pub const MIN: Self = Self(1);
    /// The longest duration, 36,525 days.
    pub const MAX: Self = Self(36_525 * 86_400);

    /// Makes a duration of whole seconds, or `None` outside [`Self::MIN`] to [`Self::MAX`].
    pub fn from_secs(seconds: u64) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0).contains(&seconds).then_some(Self(seconds))
    }

    /// Gives the length in seconds.
    pub fn as_secs(self) -> u64 {
        self.0
    }

    /// Gives the length as the standard library's type.
    pub fn as_duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Gives the length in the form that is added to a time.
    pub fn as_delta(self) -> TimeDelta {
        TimeDelta::seconds(i64::try_from(self.0).expect("a hundred years of seconds fit"))
    }
}

impl FromStr for HumanDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let found = || text.chars().take(64).collect::<String>();
        let total = total_seconds(text.trim()).ok_or_else(|| DurationError::Form { found: found() })?;
        match total {
            0 => Err(DurationError::TooShort { found: found() }),
            total if total > Self::MAX.0 => Err(DurationError::TooLong { found: found() }),
            total => Ok(Self(total)),
        }
    }
}

/// Adds up the parts of a text; what overflows saturates, and is then too long.
fn total_seconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let unit = rest[unit_at..].chars().next()?;
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        let amount = rest[..unit_at].parse::<u64>().unwrap_or(u64::MAX);
        total = total.saturating_add(amount.saturating_mul(*seconds));
        rest = &rest[unit_at + unit.len_utf8()..];
    }
    (!text.is_empty()).then_some(total)
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Weeks are read but not written: `30d` and `28d` stay in one unit.
        let (unit, seconds) =
            UNITS[1..].iter().find(|(_, seconds)| self.0.is_multiple_of(*seconds)).unwrap_or(&('s', 1));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

impl TryFrom<String> for HumanDuration {
    type Error = DurationError;
    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<HumanDuration> for String {
    fn from(duration: HumanDuration) -> String {
        duration.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_its_units() {
        let table = [("5s", 5), ("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000), ("1w", 604_800), ("1h30m", 5_400)];
        for (text, seconds) in table {
            assert_eq!(text.parse::<HumanDuration>().map(HumanDuration::as_secs), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_duration_is_refused_with_its_code() {
        let table = [
            ("", "duration-form"),
            ("90", "duration-form"),
            ("d", "duration-form"),
            ("1.5h", "duration-form"),
            ("-1d", "duration-form"),
            ("1d 2h", "duration-form"),
            ("30m1h", "duration-form"),
            ("1h1h", "duration-form"),
            ("1y", "duration-form"),
            ("1日", "duration-form"),
            ("0s", "duration-too-short"),
            ("0d0h", "duration-too-short"),
            ("36526d", "duration-too-long"),
            ("99999999999999999999999w", "duration-too-long"),
        ];
        for (text, code) in table {
            let error = text.parse::<HumanDuration>().expect_err(text);
            assert_eq!(error.code(), code, "{text}");
            assert!(!error.hint().is_empty() && !error.to_string().ends_with('.'));
        }
    }

    #[test]
    fn a_duration_survives_its_text() {
        for seconds in [1, 59, 60, 61, 3_600, 5_400, 86_400, 604_800, 90_061, HumanDuration::MAX.as_secs()] {
            let duration = HumanDuration::from_secs(seconds).expect("in range");
            assert_eq!(duration.to_string().parse(), Ok(duration), "{duration}");
        }
    }

    #[test]
    fn the_largest_even_unit_is_written() {
        let table = [(7_776_000, "90d"), (5_400, "90m"), (604_800, "7d"), (61, "61s")];
        for (seconds, text) in table {
            assert_eq!(HumanDuration::from_secs(seconds).map(|d| d.to_string()), Some(text.to_owned()));
        }
    }
}
