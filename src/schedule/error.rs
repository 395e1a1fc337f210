//! Why a schedule that somebody wrote is refused.

use super::duration::DurationError;

/// A schedule that cannot be used. Raised when it is configured, never later; the operator writes another text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// No key says when to rotate.
    #[error("schedule has no rule: expected one of `every`, `cron`, `name`, `at_lifetime`, `manual`")]
    RuleMissing,
    /// More than one key says when to rotate.
    #[error("schedule has the rules `{found}`: expected one of them")]
    RuleAmbiguous {
        /// The keys that were given, joined by commas.
        found: String,
    },
    /// `manual` was written as `false`.
    #[error("`manual` is `false`: expected `true`, or another rule")]
    ManualFalse,
    /// `seconds` was given without `cron`.
    #[error("`seconds` is given without `cron`")]
    SecondsWithoutCron,
    /// A duration cannot be read.
    #[error("`{key}` cannot be read")]
    Duration {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        source: DurationError,
    },
    /// A cron rule has too few or too many fields.
    #[error("cron rule `{found}` has {count} fields: expected {expected}")]
    CronFields {
        /// The rule as written.
        found: String,
        /// How many fields it has.
        count: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A field of a cron rule cannot be read.
    #[error("cron rule `{found}` cannot be read: {reason}")]
    CronInvalid {
        /// The rule as written.
        found: String,
        /// What the parser says.
        reason: String,
    },
    /// A named rule is unknown.
    #[error(
        "`{found}` is no named rule: expected one of `hourly`, `daily`, `weekly`, `monthly`, `quarterly`, `yearly`"
    )]
    NameUnknown {
        /// The name as written.
        found: String,
    },
    /// A share of a lifetime is not between nothing and all of it.
    #[error("`{found}` is no share of a lifetime: expected a fraction between 0 and 1 such as `2/3`")]
    ShareInvalid {
        /// The share as written.
        found: String,
    },
    /// A time zone is not in the IANA database that the binary carries.
    #[error("time zone `{found}` is unknown: expected an IANA name such as `{suggestion}`")]
    TimezoneUnknown {
        /// The name as written.
        found: String,
        /// The nearest name, or an example.
        suggestion: &'static str,
    },
    /// A window cannot be read. It is never ignored: without it, a rotation could start at any hour.
    #[error("window `{found}` cannot be read: {reason}")]
    WindowInvalid {
        /// The window as written.
        found: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An end of a freeze is neither a date nor a time.
    #[error("`{found}` is neither a date nor a time: expected `2026-12-20`, `2026-12-20T08:00` or a time with offset")]
    FreezePointInvalid {
        /// The point as written.
        found: String,
    },
    /// A freeze ends before it begins.
    #[error("freeze ends at `{until}`, not after its begin at `{from}`")]
    FreezeReversed {
        /// Its begin.
        from: String,
        /// Its end.
        until: String,
    },
    /// A freeze says no reason, or one of more than 256 characters.
    #[error("freeze from `{from}` has a reason of {length} characters: expected 1 to 256")]
    FreezeReason {
        /// Its begin.
        from: String,
        /// The length of its reason.
        length: usize,
    },
}

impl ScheduleError {
    /// The stable kebab-case code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RuleMissing => "rule-missing",
            Self::RuleAmbiguous { .. } => "rule-ambiguous",
            Self::ManualFalse => "manual-false",
            Self::SecondsWithoutCron => "seconds-without-cron",
            Self::Duration { source, .. } => source.code(),
            Self::CronFields { .. } => "cron-fields",
            Self::CronInvalid { .. } => "cron-invalid",
            Self::NameUnknown { .. } => "rule-name-unknown",
            Self::ShareInvalid { .. } => "lifetime-share-invalid",
            Self::TimezoneUnknown { .. } => "timezone-unknown",
            Self::WindowInvalid { .. } => "window-invalid",
            Self::FreezePointInvalid { .. } => "freeze-point-invalid",
            Self::FreezeReversed { .. } => "freeze-reversed",
            Self::FreezeReason { .. } => "freeze-reason",
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::RuleMissing => "add for example `every = \"30d\"`, or `manual = true` to rotate by hand only",
            Self::RuleAmbiguous { .. } => "keep one rule and remove the others",
            Self::ManualFalse => "remove `manual`, or write `manual = true`",
            Self::SecondsWithoutCron => "remove `seconds`, or add a `cron` rule of six fields",
            Self::Duration { source, .. } => source.hint(),
            Self::CronFields { .. } => {
                "write minute, hour, day of month, month, weekday; with `seconds = true` put seconds before them"
            }
            Self::CronInvalid { .. } => "write for example `0 3 * * SUN` for Sundays at 03:00",
            Self::NameUnknown { .. } => "use one of the names, or a `cron` rule",
            Self::ShareInvalid { .. } => "write for example `2/3` to rotate after two thirds of the lifetime",
            Self::TimezoneUnknown { .. } => "write area and city, such as `Europe/Berlin`, or `UTC`",
            Self::WindowInvalid { .. } => "write for example `SAT,SUN 02:00-05:00` or `22:00-04:00`",
            Self::FreezePointInvalid { .. } => "write a date for whole days, or a time in the schedule's time zone",
            Self::FreezeReversed { .. } => "exchange `from` and `until`; a date as `until` includes that day",
            Self::FreezeReason { .. } => "say in a few words why nothing may be rotated then",
        }
    }
}
