//! What a schedule consists of, as checked values. Its text form stands in `text`.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::cron::{CronText, Precision};
use super::duration::HumanDuration;
use super::error::ScheduleError;
use super::freeze::Freeze;
use super::text::ScheduleText;
use super::window::Window;

/// When a secret is rotated, and when not.
///
/// Serialised as [`ScheduleText`], in which unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "ScheduleText", into = "ScheduleText")]
pub struct Schedule {
    /// When to rotate.
    pub rule: Rule,
    /// The IANA zone of cron rules, windows and freezes.
    pub timezone: Tz,
    /// The only times of the week at which a rotation may start.
    pub window: Option<Window>,
    /// Periods in which no rotation starts.
    pub freeze: Vec<Freeze>,
    /// How far a rotation may be moved later, by a share that the secret's id decides.
    pub jitter: Option<HumanDuration>,
    /// What happens to fires that passed while nobody could run them.
    pub missed: MissedPolicy,
}

impl Schedule {
    /// A schedule in UTC without window, freeze or jitter.
    pub fn new(rule: Rule) -> Self {
        let (timezone, missed) = (Tz::UTC, MissedPolicy::RunOnce);
        Self { rule, timezone, window: None, freeze: Vec::new(), jitter: None, missed }
    }
}

/// When to rotate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// After this much elapsed time since the last publish.
    Every(HumanDuration),
    /// By the calendar, wherever the last publish was.
    Cron(CronText),
    /// By the calendar, under a name.
    Named(Named),
    /// After this share of the current version's lifetime. Without an expiry it never comes due.
    AtLifetime(Share),
    /// Only when somebody asks.
    Manual,
}

/// A calendar rule with a name. All run at 00:00 in the schedule's zone, but the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Named {
    /// At each full hour.
    Hourly,
    /// Every day.
    Daily,
    /// On Sundays, as cron's `@weekly`.
    Weekly,
    /// On the first of each month.
    Monthly,
    /// On the first of January, April, July and October.
    Quarterly,
    /// On the first of January.
    Yearly,
}

impl Named {
    /// All names.
    pub const ALL: [Self; 6] = [Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Quarterly, Self::Yearly];

    /// The name in user text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
            Self::Yearly => "yearly",
        }
    }

    /// The same rule as a cron rule of five fields.
    pub fn as_cron(self) -> CronText {
        let text = match self {
            Self::Hourly => "0 * * * *",
            Self::Daily => "0 0 * * *",
            Self::Weekly => "0 0 * * SUN",
            Self::Monthly => "0 0 1 * *",
            Self::Quarterly => "0 0 1 1,4,7,10 *",
            Self::Yearly => "0 0 1 1 *",
        };
        CronText::parse(text, Precision::Minutes).expect("each named rule is well-formed")
    }
}

impl FromStr for Named {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let unknown = || ScheduleError::NameUnknown { found: text.chars().take(64).collect() };
        Self::ALL.into_iter().find(|name| name.as_str().eq_ignore_ascii_case(text.trim())).ok_or_else(unknown)
    }
}

/// A share of a lifetime, more than nothing and less than all, such as `2/3`. Neither part exceeds 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    part: u16,
    whole: u16,
}

impl Share {
    /// Takes this share of a length, rounded down to whole seconds.
    pub fn of(self, length: TimeDelta) -> TimeDelta {
        let (part, whole) = (i64::from(self.part), i64::from(self.whole));
        let seconds = length.num_seconds();
        // In two steps, so that no length overflows.
        TimeDelta::seconds(seconds / whole * part + seconds % whole * part / whole)
    }
}

impl FromStr for Share {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let parsed = text.split_once('/').and_then(|(part, whole)| {
            let (part, whole) = (part.trim().parse().ok()?, whole.trim().parse().ok()?);
            (0 < part && part < whole && whole <= 10_000).then_some(Self { part, whole })
        });
        parsed.ok_or_else(|| ScheduleError::ShareInvalid { found: text.chars().take(64).collect() })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.whole)
    }
}

/// What happens to fires that passed while nobody could run them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissedPolicy {
    /// All of them together are made up by one rotation, as soon as the window allows.
    #[default]
    RunOnce,
    /// They are given up; the next one counts. An expiry overrules this.
    Skip,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_in_whole_seconds() {
        let table = [
            ("2/3", 90, 60),
            ("1/2", 3, 1),
            ("9999/10000", 10_000, 9_999),
            ("1/3", i64::MAX / 1_000, i64::MAX / 3_000),
        ];
        for (text, length, expected) in table {
            let share: Share = text.parse().expect(text);
            assert_eq!(share.of(TimeDelta::seconds(length)).num_seconds(), expected, "{text} of {length}");
            assert_eq!(share.to_string(), text);
        }
    }

    #[test]
    fn a_share_of_nothing_or_all_is_refused() {
        for text in ["0/3", "3/3", "4/3", "1/0", "2", "", "-1/3", "1/10001", "a/b", "1/2/3"] {
            assert_eq!(text.parse::<Share>().map_err(|error| error.code()), Err("lifetime-share-invalid"), "{text}");
        }
    }

    #[test]
    fn every_name_is_read_back_and_means_a_rule() {
        for name in Named::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
            assert!(!name.as_cron().as_str().is_empty());
        }
        assert_eq!("fortnightly".parse::<Named>().map_err(|error| error.code()), Err("rule-name-unknown"));
    }
}
