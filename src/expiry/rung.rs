//! A rung: a distance from the expiry.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use crate::schedule::{DurationError, HumanDuration};

/// A rung of a ladder: how long before the expiry it lies, in whole seconds. The smaller, the more urgent.
///
/// Its text is that of the distance in the largest even unit, such as `30d` or `3888m`, and `expired` for the last one.
/// It is stable, and fit for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rung(u64);

impl Rung {
    /// The last rung of every ladder: the expiry itself.
    pub const EXPIRED: Self = Self(0);
    /// The farthest rung: ten years (3,653 days).
    pub const FARTHEST: Self = Self(3_653 * 86_400);

    /// Makes the rung at this distance.
    pub fn new(distance: HumanDuration) -> Self {
        Self(distance.as_secs())
    }

    /// Makes the rung at this number of seconds.
    pub(super) const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Gives the distance in seconds.
    pub fn as_secs(self) -> u64 {
        self.0
    }

    /// Gives the distance in the form that is taken from a time.
    pub fn as_delta(self) -> TimeDelta {
        i64::try_from(self.0).ok().and_then(TimeDelta::try_seconds).unwrap_or(TimeDelta::MAX)
    }

    /// Says whether this is the expiry itself.
    pub fn is_expired(self) -> bool {
        self == Self::EXPIRED
    }

    /// The moment from which on this rung is reached.
    pub fn moment(self, expires_at: DateTime<Utc>) -> DateTime<Utc> {
        expires_at.checked_sub_signed(self.as_delta()).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match HumanDuration::from_secs(self.0) {
            Some(distance) => distance.fmt(f),
            None => f.write_str("expired"),
        }
    }
}

impl FromStr for Rung {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        if text == "expired" { Ok(Self::EXPIRED) } else { text.parse().map(Self::new) }
    }
}

impl TryFrom<String> for Rung {
    type Error = DurationError;
    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<Rung> for String {
    fn from(rung: Rung) -> String {
        rung.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_has_one_text_however_it_was_written() {
        for (written, text) in [("30d", "30d"), ("1w", "7d"), ("24h", "1d"), ("90m", "90m"), ("expired", "expired")] {
            let rung: Rung = written.parse().expect(written);
            assert_eq!(rung.to_string(), text);
            assert_eq!(text.parse(), Ok(rung));
        }
        assert!("0d".parse::<Rung>().is_err(), "only `expired` is at no distance");
    }

    #[test]
    fn a_moment_lies_its_distance_before_the_expiry() {
        let expires_at: DateTime<Utc> = "2026-03-01T12:00:00.25Z".parse().expect("a time");
        for (rung, moment) in [("1d", "2026-02-28T12:00:00.25Z"), ("expired", "2026-03-01T12:00:00.25Z")] {
            let rung: Rung = rung.parse().expect(rung);
            assert_eq!(rung.moment(expires_at), moment.parse::<DateTime<Utc>>().expect(moment));
        }
        assert_eq!(Rung::FARTHEST.moment(DateTime::<Utc>::MIN_UTC), DateTime::<Utc>::MIN_UTC);
    }
}
