//! The schedule as people write it, in TOML, JSON or flags: one model, three ways.

use chrono_tz::{TZ_VARIANTS, Tz};

use super::cron::{CronText, Precision};
use super::duration::{DurationError, HumanDuration};
use super::error::ScheduleError;
use super::freeze::Freeze;
use super::rule::{MissedPolicy, Rule, Schedule};
use super::window::Window;

/// The unchecked text form of a [`Schedule`]: what a file holds, and what a command line collects from its flags.
///
/// One of `every`, `cron`, `name`, `at_lifetime` and `manual` must be given. `Schedule::try_from` checks it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleText {
    /// An interval since the last publish, such as `30d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// A cron rule of five fields, such as `0 3 * * SUN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Whether the cron rule has a field of seconds before the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<bool>,
    /// `hourly`, `daily`, `weekly`, `monthly`, `quarterly` or `yearly`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A share of the current version's lifetime, such as `2/3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_lifetime: Option<String>,
    /// `true`: only when somebody asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manual: Option<bool>,
    /// An IANA zone, such as `Europe/Berlin`; UTC if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Days and hours, such as `SAT,SUN 02:00-05:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// Periods in which nothing starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<FreezeText>,
    /// How far a fire may be moved later, such as `20m`; `0s` for not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    /// `run-once` or `skip`.
    pub missed: MissedPolicy,
}

/// The unchecked text form of a [`Freeze`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeText {
    /// Its first day or instant.
    pub from: String,
    /// Its last day, or the instant at which it ends.
    pub until: String,
    /// Why nothing may be rotated then.
    pub reason: String,
}

impl TryFrom<ScheduleText> for Schedule {
    type Error = ScheduleError;

    fn try_from(text: ScheduleText) -> Result<Self, ScheduleError> {
        Ok(Self {
            rule: read_rule(&text)?,
            timezone: text.timezone.as_deref().map_or(Ok(Tz::UTC), read_zone)?,
            window: text.window.as_deref().map(str::parse::<Window>).transpose()?,
            freeze: text.freeze.iter().map(Freeze::try_from).collect::<Result<_, _>>()?,
            jitter: text.jitter.as_deref().map_or(Ok(None), read_jitter)?,
            missed: text.missed,
        })
    }
}

fn read_rule(text: &ScheduleText) -> Result<Rule, ScheduleError> {
    let keys = [
        ("every", text.every.is_some()),
        ("cron", text.cron.is_some()),
        ("name", text.name.is_some()),
        ("at_lifetime", text.at_lifetime.is_some()),
        ("manual", text.manual.is_some()),
    ];
    let given: Vec<&str> = keys.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key).collect();
    if given.len() > 1 {
        return Err(ScheduleError::RuleAmbiguous { found: given.join(", ") });
    }
    if text.seconds.is_some() && text.cron.is_none() {
        return Err(ScheduleError::SecondsWithoutCron);
    }
    let duration = |key, text: &str| text.parse().map_err(|source| ScheduleError::Duration { key, source });
    if let Some(every) = &text.every {
        return Ok(Rule::Every(duration("every", every)?));
    }
    if let Some(cron) = &text.cron {
        let precision = if text.seconds == Some(true) { Precision::Seconds } else { Precision::Minutes };
        return Ok(Rule::Cron(CronText::parse(cron, precision)?));
    }
    if let Some(name) = &text.name {
        return Ok(Rule::Named(name.parse()?));
    }
    if let Some(share) = &text.at_lifetime {
        return Ok(Rule::AtLifetime(share.parse()?));
    }
    match text.manual {
        Some(true) => Ok(Rule::Manual),
        Some(false) => Err(ScheduleError::ManualFalse),
        None => Err(ScheduleError::RuleMissing),
    }
}

fn read_zone(name: &str) -> Result<Tz, ScheduleError> {
    name.parse().map_err(|_| {
        let wanted = name.replace(' ', "_").to_lowercase();
        let is_near = |zone: &&Tz| {
            let known = zone.name().to_lowercase();
            known == wanted || known.rsplit('/').next() == Some(wanted.as_str())
        };
        let suggestion = TZ_VARIANTS.iter().find(is_near).map_or("Europe/Berlin", |zone| zone.name());
        ScheduleError::TimezoneUnknown { found: name.chars().take(64).collect(), suggestion }
    })
}

fn read_jitter(text: &str) -> Result<Option<HumanDuration>, ScheduleError> {
    match text.parse() {
        Ok(jitter) => Ok(Some(jitter)),
        Err(DurationError::TooShort { .. }) => Ok(None),
        Err(source) => Err(ScheduleError::Duration { key: "jitter", source }),
    }
}

impl From<Schedule> for ScheduleText {
    fn from(schedule: Schedule) -> Self {
        let mut text = Self {
            timezone: Some(schedule.timezone.name().to_owned()),
            window: schedule.window.map(|window| window.to_string()),
            freeze: schedule.freeze.iter().map(FreezeText::from).collect(),
            jitter: schedule.jitter.map(|jitter| jitter.to_string()),
            missed: schedule.missed,
            ..Self::default()
        };
        match schedule.rule {
            Rule::Every(every) => text.every = Some(every.to_string()),
            Rule::Cron(cron) => {
                text.seconds = (cron.precision() == Precision::Seconds).then_some(true);
                text.cron = Some(cron.as_str().to_owned());
            }
            Rule::Named(name) => text.name = Some(name.as_str().to_owned()),
            Rule::AtLifetime(share) => text.at_lifetime = Some(share.to_string()),
            Rule::Manual => text.manual = Some(true),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(toml: &str) -> &'static str {
        let text: ScheduleText = toml::from_str(toml).expect(toml);
        Schedule::try_from(text).expect_err(toml).code()
    }

    #[test]
    fn a_full_schedule_survives_toml_and_json() {
        let toml = r#"
            cron = "0 3 * * SUN"
            timezone = "Europe/Berlin"
            window = "SAT,SUN 22:00-04:00"
            jitter = "20m"
            missed = "skip"
            [[freeze]]
            from = "2026-12-20"
            until = "2027-01-04T08:00"
            reason = "end of the year"
        "#;
        let schedule: Schedule = toml::from_str(toml).expect("a schedule");
        let json = serde_json::to_string(&schedule).expect("json");
        assert_eq!(serde_json::from_str::<Schedule>(&json).ok(), Some(schedule), "{json}");
    }

    #[test]
    fn every_rule_survives_its_text() {
        let rules = [
            r#"every = "30d""#,
            "cron = \"0 0 3 * * SUN\"\nseconds = true",
            r#"name = "quarterly""#,
            r#"at_lifetime = "2/3""#,
            "manual = true",
        ];
        for toml in rules {
            let schedule: Schedule = toml::from_str(toml).expect(toml);
            let json = serde_json::to_string(&schedule).expect("json");
            assert_eq!(serde_json::from_str::<Schedule>(&json).ok(), Some(schedule), "{json}");
        }
    }

    #[test]
    fn a_schedule_is_refused_with_its_code() {
        let table = [
            ("", "rule-missing"),
            ("every = \"30d\"\ncron = \"0 3 * * *\"", "rule-ambiguous"),
            ("every = \"30d\"\nmanual = false", "rule-ambiguous"),
            ("manual = false", "manual-false"),
            ("every = \"30d\"\nseconds = true", "seconds-without-cron"),
            ("every = \"0d\"", "duration-too-short"),
            ("every = \"soon\"", "duration-form"),
            ("cron = \"0 3 * *\"", "cron-fields"),
            ("name = \"often\"", "rule-name-unknown"),
            ("at_lifetime = \"3/2\"", "lifetime-share-invalid"),
            ("every = \"30d\"\ntimezone = \"Mars/Base\"", "timezone-unknown"),
            ("every = \"30d\"\nwindow = \"\"", "window-invalid"),
            ("every = \"30d\"\njitter = \"x\"", "duration-form"),
        ];
        for (toml, expected) in table {
            assert_eq!(code(toml), expected, "{toml}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Schedule>("every = \"30d\"\nwindows = \"02:00-05:00\"").is_err());
        assert!(toml::from_str::<Schedule>("every = \"30d\"\nmissed = \"ignore\"").is_err());
    }

    #[test]
    fn a_zone_that_is_nearly_right_is_suggested() {
        for (found, expected) in
            [("europe/berlin", "Europe/Berlin"), ("New York", "America/New_York"), ("??", "Europe/Berlin")]
        {
            let error = read_zone(found).expect_err(found);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_jitter_of_zero_is_no_jitter() {
        assert_eq!(read_jitter("0s"), Ok(None));
    }
}
