//! What an expiry does to reads: nothing, or an end to them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};

use super::error::OnExpiryError;
use crate::schedule::HumanDuration;

const AFTER: &str = "deactivate after ";

/// What happens when a secret expires. No target is touched by either.
///
/// Its text is `warn`, `deactivate` or, with a grace period, `deactivate after 2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OnExpiry {
    /// Reads are refused from the end of the grace period on.
    Deactivate {
        /// How long after the expiry reads go on; `None` for not at all.
        grace: Option<HumanDuration>,
    },
    /// Reads go on, and the expiry is an alert.
    Warn,
}

/// Where a date of expiry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateFrom {
    /// A person set it.
    Person,
    /// The value carries it, such as a certificate, or it follows from the last rotation.
    Value,
}

impl OnExpiry {
    /// What holds where nobody decided: an end to reads only where a person set the date and nothing rotates the
    /// secret. A rotation that is late must never become an outage.
    pub fn usual(date_from: DateFrom, is_rotated: bool) -> Self {
        match (date_from, is_rotated) {
            (DateFrom::Person, false) => Self::Deactivate { grace: None },
            (DateFrom::Person, true) | (DateFrom::Value, _) => Self::Warn,
        }
    }
}

impl fmt::Display for OnExpiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deactivate { grace: Some(grace) } => write!(f, "{AFTER}{grace}"),
            Self::Deactivate { grace: None } => f.write_str("deactivate"),
            Self::Warn => f.write_str("warn"),
        }
    }
}

impl FromStr for OnExpiry {
    type Err = OnExpiryError;

    fn from_str(text: &str) -> Result<Self, OnExpiryError> {
        let text = text.trim();
        match (text, text.strip_prefix(AFTER)) {
            ("warn", _) => Ok(Self::Warn),
            ("deactivate", _) => Ok(Self::Deactivate { grace: None }),
            (_, Some(grace)) => Ok(Self::Deactivate { grace: Some(grace.parse()?) }),
            _ => Err(OnExpiryError::Unknown { found: text.chars().take(64).collect() }),
        }
    }
}

impl TryFrom<String> for OnExpiry {
    type Error = OnExpiryError;
    fn try_from(text: String) -> Result<Self, OnExpiryError> {
        text.parse()
    }
}

impl From<OnExpiry> for String {
    fn from(action: OnExpiry) -> String {
        action.to_string()
    }
}

/// The facts that decide about a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadQuestion {
    /// When the value expires; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
    /// What happens then.
    pub on_expiry: OnExpiry,
    /// Until when somebody lifted the deactivation.
    pub override_until: Option<DateTime<Utc>>,
    /// The present, by the wall clock.
    pub now: DateTime<Utc>,
    /// What the wall clock showed before a step that nobody confirmed, as [`super::Steady::held_since`] says it. While
    /// it is there, nothing is deactivated that was not before, no override ends, and nothing is activated again.
    pub held_since: Option<DateTime<Utc>>,
}

/// What a read is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStanding {
    /// The value.
    Readable,
    /// A refusal, until the secret is rotated, gets a later expiry, or the deactivation is lifted.
    Deactivated {
        /// When reads ended: the expiry and its grace period.
        since: DateTime<Utc>,
    },
    /// The value, by an emergency override.
    Overridden {
        /// When the override ends.
        until: DateTime<Utc>,
    },
}

impl ReadStanding {
    /// Says whether the value may be read.
    pub fn is_readable(self) -> bool {
        !matches!(self, Self::Deactivated { .. })
    }
}

impl ReadQuestion {
    /// Decides about a read at `now`. A moment belongs to what begins at it.
    pub fn standing(&self) -> ReadStanding {
        let now = self.trusted_now();
        match (self.deactivated_from(), self.override_until) {
            (Some(since), Some(until)) if since <= now && now < until => ReadStanding::Overridden { until },
            (Some(since), _) if since <= now => ReadStanding::Deactivated { since },
            _ => ReadStanding::Readable,
        }
    }

    /// When the answer changes by the passing of time alone, counted from the trusted time; `None` if it does not.
    pub fn changes_at(&self) -> Option<DateTime<Utc>> {
        let since = self.deactivated_from()?;
        let ahead = |at: &DateTime<Utc>| *at > self.trusted_now();
        [Some(since), self.override_until.filter(|until| *until > since)].into_iter().flatten().filter(ahead).min()
    }

    fn trusted_now(&self) -> DateTime<Utc> {
        self.held_since.map_or(self.now, |since| since.min(self.now))
    }

    fn deactivated_from(&self) -> Option<DateTime<Utc>> {
        let OnExpiry::Deactivate { grace } = self.on_expiry else { return None };
        let grace = grace.map_or(TimeDelta::zero(), HumanDuration::as_delta);
        Some(self.expires_at?.checked_add_signed(grace).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    /// The answer for an expiry after ten hours.
    fn ask(action: &str, now: i64, override_until: Option<i64>, held_since: Option<i64>) -> ReadQuestion {
        let on_expiry = action.parse().expect(action);
        let (override_until, held_since) = (override_until.map(at), held_since.map(at));
        ReadQuestion { expires_at: Some(at(10)), on_expiry, override_until, now: at(now), held_since }
    }

    #[test]
    fn the_usual_action_refuses_only_what_a_person_dated_and_nothing_rotates() {
        let table = [
            (DateFrom::Person, false, "deactivate"),
            (DateFrom::Person, true, "warn"),
            (DateFrom::Value, false, "warn"),
            (DateFrom::Value, true, "warn"),
        ];
        for (date_from, is_rotated, expected) in table {
            assert_eq!(OnExpiry::usual(date_from, is_rotated).to_string(), expected, "{date_from:?} {is_rotated}");
        }
    }

    #[test]
    fn an_action_survives_its_text() {
        for text in ["warn", "deactivate", "deactivate after 2h"] {
            let action: OnExpiry = text.parse().expect(text);
            assert_eq!(action.to_string(), text);
            let json = serde_json::to_string(&action).expect("json");
            assert_eq!(serde_json::from_str::<OnExpiry>(&json).ok(), Some(action));
        }
        let table = [
            ("", "on-expiry-unknown"),
            ("delete", "on-expiry-unknown"),
            ("deactivate after", "on-expiry-unknown"),
            ("deactivate after soon", "duration-form"),
            ("deactivate after 0s", "duration-too-short"),
        ];
        for (text, code) in table {
            let error = text.parse::<OnExpiry>().expect_err(text);
            assert_eq!(error.code(), code, "{text}");
            assert!(!error.hint().is_empty() && !error.to_string().ends_with('.'));
        }
    }

    #[test]
    fn reads_end_with_the_grace_period_and_go_on_under_an_override() {
        use ReadStanding::{Deactivated, Overridden, Readable};
        let table = [
            ("warn", 99, None, Readable),
            ("deactivate", 9, None, Readable),
            ("deactivate", 10, None, Deactivated { since: at(10) }),
            ("deactivate after 2h", 11, None, Readable),
            ("deactivate after 2h", 12, None, Deactivated { since: at(12) }),
            ("deactivate", 11, Some(15), Overridden { until: at(15) }),
            ("deactivate", 15, Some(15), Deactivated { since: at(10) }),
            ("deactivate", 9, Some(15), Readable),
            ("warn", 11, Some(15), Readable),
        ];
        for (action, now, until, expected) in table {
            assert_eq!(ask(action, now, until, None).standing(), expected, "{action} {now} {until:?}");
        }
        let never = ReadQuestion { expires_at: None, ..ask("deactivate", 99, None, None) };
        assert_eq!(never.standing(), Readable);
    }

    #[test]
    fn a_step_of_the_clock_deactivates_nothing_and_activates_nothing() {
        use ReadStanding::{Deactivated, Overridden, Readable};
        let table = [
            (5_000, None, Some(5), Readable),
            (5_000, None, Some(11), Deactivated { since: at(10) }),
            (5_000, Some(15), Some(11), Overridden { until: at(15) }),
            (5_000, Some(15), Some(16), Deactivated { since: at(10) }),
            (4, None, Some(11), Readable),
        ];
        for (now, until, held, expected) in table {
            assert_eq!(ask("deactivate", now, until, held).standing(), expected, "{now} {until:?} {held:?}");
        }
    }

    #[test]
    fn the_next_change_is_the_deactivation_and_then_the_end_of_the_override() {
        let table = [
            ("warn", 0, None, None),
            ("deactivate", 0, None, Some(10)),
            ("deactivate", 0, Some(5), Some(10)),
            ("deactivate", 10, None, None),
            ("deactivate", 0, Some(15), Some(10)),
            ("deactivate", 10, Some(15), Some(15)),
            ("deactivate", 15, Some(15), None),
        ];
        for (action, now, until, expected) in table {
            assert_eq!(ask(action, now, until, None).changes_at(), expected.map(at), "{action} {now} {until:?}");
        }
    }
}
