//! What will not work about a schedule, said when it is configured.

use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::compiled::CompiledSchedule;
use super::context::DueContext;
use super::due::{Because, NextDue, next_due};
use super::rhythm::Rhythm;

/// How many fires of a cron rule are tried for one inside the window.
const TRIED_FIRES: usize = 1_000;

/// Something about a schedule that a person should know before it is used. None of them stops it from being stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The cron rule matches no date, such as 31 February.
    NoOccurrence,
    /// The rule is a share of a lifetime, and the current version does not expire.
    NoLifetime,
    /// Window and freezes leave no moment within five years.
    NoAllowedSlot,
    /// No allowed moment lies before the deadline; the rotation will start at it, in spite of window and freezes.
    NoSlotBeforeDeadline {
        /// When it will start.
        deadline: DateTime<Utc>,
    },
    /// The rule's next fire comes after the deadline; the deadline decides.
    RuleAfterDeadline {
        /// When the rule would fire.
        planned_at: DateTime<Utc>,
        /// When the rotation will start.
        at: DateTime<Utc>,
    },
    /// No fire of the cron rule lies in the window; each will move to the next opening.
    CronOutsideWindow,
    /// The current version expires, and nothing rotates it.
    ManualExpires {
        /// When it expires.
        expires_at: DateTime<Utc>,
    },
    /// The margin before the expiry is more than a third of the lifetime, and is cut to that.
    MarginCut {
        /// The margin that is used.
        used: TimeDelta,
    },
    /// The current version expired before it was made, so its expiry says nothing.
    BornExpired,
    /// The jitter is longer than the time between two fires, and is cut to that.
    JitterCut,
}

impl Finding {
    /// The stable kebab-case code of this finding.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoOccurrence => "schedule-never-fires",
            Self::NoLifetime => "schedule-without-lifetime",
            Self::NoAllowedSlot => "schedule-never-allowed",
            Self::NoSlotBeforeDeadline { .. } => "no-slot-before-deadline",
            Self::RuleAfterDeadline { .. } => "rule-after-deadline",
            Self::CronOutsideWindow => "cron-outside-window",
            Self::ManualExpires { .. } => "manual-expires",
            Self::MarginCut { .. } => "expiry-margin-cut",
            Self::BornExpired => "born-expired",
            Self::JitterCut => "jitter-cut",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoOccurrence => "choose a date that exists, such as `0 0 L 2 *` for the end of February",
            Self::NoLifetime => "use `every` or `cron`, or let the target issue values that expire",
            Self::NoAllowedSlot => "shorten the freezes or widen the window",
            Self::NoSlotBeforeDeadline { .. } => "widen the window, shorten the freezes, or lengthen the lifetime",
            Self::RuleAfterDeadline { .. } => "rotate more often, such as `at_lifetime = \"2/3\"`",
            Self::CronOutsideWindow => "move the cron rule into the window",
            Self::ManualExpires { .. } => "rotate by hand before then, or give it a rule",
            Self::MarginCut { .. } => "set `expiry_margin` to less than a third of the lifetime",
            Self::BornExpired => "check the clock of the target, or the expiry that was entered",
            Self::JitterCut => "set `jitter` to less than the time between two fires",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |at: &DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        match self {
            Self::NoOccurrence => f.write_str("cron rule matches no date"),
            Self::NoLifetime => f.write_str("rule is a share of a lifetime, but the value does not expire"),
            Self::NoAllowedSlot => f.write_str("window and freezes leave no moment within five years"),
            Self::NoSlotBeforeDeadline { deadline } => {
                write!(f, "no allowed slot before the deadline: will rotate at `{}` in spite of them", time(deadline))
            }
            Self::RuleAfterDeadline { planned_at, at } => {
                write!(f, "rule fires at `{}`, after the deadline: will rotate at `{}`", time(planned_at), time(at))
            }
            Self::CronOutsideWindow => {
                f.write_str("no fire of the cron rule lies in the window: each moves to its opening")
            }
            Self::ManualExpires { expires_at } => {
                write!(f, "value expires at `{}`, and no rule rotates it", time(expires_at))
            }
            Self::MarginCut { used } => {
                write!(f, "margin before the expiry is cut to `{}s`, a third of the lifetime", used.num_seconds())
            }
            Self::BornExpired => f.write_str("value expired before it was made"),
            Self::JitterCut => f.write_str("jitter is longer than the time between two fires, and is cut"),
        }
    }
}

/// Looks for what will not work, in the order of its weight. Meant for when a schedule is stored or shown: a rule that
/// never meets its window costs some milliseconds.
pub fn check(schedule: &CompiledSchedule, cx: &DueContext<'_>) -> Vec<Finding> {
    let rhythm = &schedule.rhythm;
    let mut findings = Vec::new();
    let first = rhythm.first(cx);
    match (rhythm, first, cx.usable_lifetime()) {
        (Rhythm::Manual, _, Some(lifetime)) => {
            findings.push(Finding::ManualExpires { expires_at: lifetime.expires_at });
        }
        (Rhythm::Calendar { .. }, None, _) => findings.push(Finding::NoOccurrence),
        (Rhythm::Lifetime(_), None, _) => findings.push(Finding::NoLifetime),
        _ => {}
    }
    if !matches!(rhythm, Rhythm::Manual) && schedule.slots.first_after(cx.now).is_none() {
        findings.push(Finding::NoAllowedSlot);
    }
    match (next_due(schedule, cx), first) {
        (NextDue::At(due), _) if due.because == Because::ExpiryBeatsWindow => {
            findings.push(Finding::NoSlotBeforeDeadline { deadline: due.at });
        }
        (NextDue::At(due), Some(planned_at)) if cx.deadline().is_some_and(|deadline| planned_at > deadline) => {
            findings.push(Finding::RuleAfterDeadline { planned_at, at: due.at });
        }
        _ => {}
    }
    if is_outside_window(schedule, cx) {
        findings.push(Finding::CronOutsideWindow);
    }
    findings.extend(about_lifetime(cx));
    let period = first.and_then(|first| Some(rhythm.next(cx.after, first)? - first));
    if period.is_some_and(|period| schedule.jitter > period) {
        findings.push(Finding::JitterCut);
    }
    findings
}

fn about_lifetime(cx: &DueContext<'_>) -> Option<Finding> {
    let lifetime = cx.lifetime?;
    let Some(deadline) = cx.deadline() else { return Some(Finding::BornExpired) };
    let used = lifetime.expires_at - deadline;
    let is_cut = used.to_std().is_ok_and(|used| used < cx.expiry_margin);
    is_cut.then_some(Finding::MarginCut { used })
}

/// Says whether none of the next fires of a cron rule lies in the window, freezes left aside.
fn is_outside_window(schedule: &CompiledSchedule, cx: &DueContext<'_>) -> bool {
    let Rhythm::Calendar { .. } = &schedule.rhythm else { return false };
    let (rhythm, slots) = (&schedule.rhythm, &schedule.slots);
    let mut fires =
        std::iter::successors(rhythm.first(cx), |at| rhythm.next(cx.after, *at)).take(TRIED_FIRES).peekable();
    slots.has_window()
        && fires.peek().is_some()
        && !fires.any(|at| slots.unfrozen_after(at).is_some_and(|slot| slot.open <= at))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::schedule::{Lifetime, Schedule};

    fn found(toml: &str, lifetime_days: Option<i64>, margin_days: u64) -> Vec<&'static str> {
        let after: DateTime<Utc> = "2026-06-01T00:00:00Z".parse().expect("a time");
        let lifetime =
            lifetime_days.map(|days| Lifetime { starts_at: after, expires_at: after + TimeDelta::days(days) });
        let expiry_margin = Duration::from_secs(margin_days * 86_400);
        let cx = DueContext { after, now: after, secret_id: "sec", lifetime, expiry_margin };
        let schedule: Schedule = toml::from_str(toml).expect(toml);
        let findings = check(&schedule.compile(), &cx);
        assert!(findings.iter().all(|one| !one.hint().is_empty() && !one.to_string().ends_with('.')));
        findings.iter().map(Finding::code).collect()
    }

    const FROZEN: &str = "freeze = [{ from = \"2026-01-01\", until = \"2040-01-01\", reason = \"audit\" }]";

    #[test]
    fn a_schedule_that_works_has_no_finding() {
        for toml in
            ["every = \"30d\"\nwindow = \"SAT 02:00-05:00\"", "name = \"weekly\"\njitter = \"1h\"", "manual = true"]
        {
            assert!(found(toml, None, 7).is_empty(), "{toml}");
        }
        assert!(found("at_lifetime = \"2/3\"", Some(90), 7).is_empty());
    }

    #[test]
    fn each_thing_that_will_not_work_is_found() {
        let frozen = format!("every = \"30d\"\n{FROZEN}");
        let table: [(&str, Option<i64>, u64, &[&str]); 11] = [
            ("cron = \"0 0 31 2 *\"", None, 7, &["schedule-never-fires"]),
            ("at_lifetime = \"2/3\"", None, 7, &["schedule-without-lifetime"]),
            (&frozen, None, 7, &["schedule-never-allowed"]),
            (&frozen, Some(90), 7, &["schedule-never-allowed", "no-slot-before-deadline"]),
            ("every = \"1d\"\nwindow = \"SAT 02:00-05:00\"", Some(4), 1, &["no-slot-before-deadline"]),
            ("every = \"365d\"", Some(90), 7, &["rule-after-deadline"]),
            ("cron = \"0 12 * * *\"\nwindow = \"02:00-05:00\"", None, 7, &["cron-outside-window"]),
            ("manual = true", Some(90), 7, &["manual-expires"]),
            ("every = \"1d\"", Some(9), 7, &["expiry-margin-cut"]),
            ("every = \"1d\"", Some(-1), 7, &["born-expired"]),
            ("name = \"hourly\"\njitter = \"2h\"", None, 7, &["jitter-cut"]),
        ];
        for (toml, lifetime, margin, expected) in table {
            assert_eq!(found(toml, lifetime, margin), expected, "{toml}");
        }
    }

    #[test]
    fn a_rare_fire_inside_the_window_is_enough() {
        assert!(found("cron = \"0 3,12 * * *\"\nwindow = \"SAT 02:00-05:00\"", None, 7).is_empty());
    }
}
