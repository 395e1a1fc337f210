//! The planned fires of a rule, before windows, freezes and jitter.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::context::DueContext;
use super::cron::{CronPattern, CronText};
use super::rule::{Rule, Share};
use super::wall::next_fire;

/// A rule that was made ready to answer.
#[derive(Debug, Clone)]
pub(super) enum Rhythm {
    /// Fires at the last publish plus each multiple of the interval.
    Every(TimeDelta),
    /// Fires by the calendar.
    Calendar {
        /// The rule.
        pattern: Box<CronPattern>,
        /// Its zone.
        zone: Tz,
    },
    /// Fires once in the lifetime of each version.
    Lifetime(Share),
    /// Never fires.
    Manual,
}

impl Rhythm {
    pub(super) fn new(rule: &Rule, zone: Tz) -> Self {
        let calendar = |cron: &CronText| Self::Calendar { pattern: Box::new(cron.compile()), zone };
        match rule {
            Rule::Every(every) => Self::Every(every.as_delta()),
            Rule::Cron(cron) => calendar(cron),
            Rule::Named(name) => calendar(&name.as_cron()),
            Rule::AtLifetime(share) => Self::Lifetime(*share),
            Rule::Manual => Self::Manual,
        }
    }

    /// The first planned fire of a secret after its last publish.
    pub(super) fn first(&self, cx: &DueContext<'_>) -> Option<DateTime<Utc>> {
        match self {
            Self::Lifetime(share) => {
                let lifetime = cx.usable_lifetime()?;
                let planned = lifetime.starts_at + share.of(lifetime.expires_at - lifetime.starts_at);
                Some(planned.max(cx.earliest()))
            }
            _ => self.next(cx.after, cx.after),
        }
    }

    /// The first fire after `after` of a rhythm that repeats; `anchor` is where intervals count from.
    pub(super) fn next(&self, anchor: DateTime<Utc>, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Every(every) => {
                let seconds = every.num_seconds();
                let passed = (after - anchor).num_seconds().div_euclid(seconds).max(0);
                let fire = |count: i64| {
                    let delta = seconds.checked_mul(count).and_then(TimeDelta::try_seconds)?;
                    anchor.checked_add_signed(delta)
                };
                fire(passed + 1)
            }
            Self::Calendar { pattern, zone } => next_fire(*zone, pattern, after),
            Self::Lifetime(_) | Self::Manual => None,
        }
    }

    /// The last fire in `(after, until]` of a rhythm that repeats.
    ///
    /// Looks back from the end in growing strides, so the cost does not depend on how many fires lie between.
    pub(super) fn last_between(
        &self,
        anchor: DateTime<Utc>,
        after: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let mut stride = TimeDelta::seconds(4);
        loop {
            let from = until.checked_sub_signed(stride).map_or(after, |from| from.max(after));
            let in_range = |at: &DateTime<Utc>| *at <= until;
            let first = self.next(anchor, from).filter(in_range);
            let fires = std::iter::successors(first, |at| self.next(anchor, *at).filter(in_range));
            if let Some(last) = fires.last() {
                return Some(last);
            }
            if from <= after {
                return None;
            }
            stride = stride * 4;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::cron::Precision;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn cron(text: &str) -> Rhythm {
        Rhythm::new(&Rule::Cron(CronText::parse(text, Precision::Minutes).expect(text)), Tz::Europe__Berlin)
    }

    #[test]
    fn an_interval_counts_from_its_anchor() {
        let every = Rhythm::new(&Rule::Every("6h".parse().expect("a duration")), Tz::UTC);
        let anchor = at("2026-06-06T01:00:00.5Z");
        let table = [
            ("2026-06-06T01:00:00.5Z", "2026-06-06T07:00:00.5Z"),
            ("2026-06-06T07:00:00.4Z", "2026-06-06T07:00:00.5Z"),
            ("2026-06-06T07:00:00.5Z", "2026-06-06T13:00:00.5Z"),
            ("2026-01-01T00:00:00Z", "2026-06-06T07:00:00.5Z"),
        ];
        for (after, expected) in table {
            assert_eq!(every.next(anchor, at(after)), Some(at(expected)), "{after}");
        }
    }

    #[test]
    fn the_last_fire_is_found_across_a_second_and_across_years() {
        let table = [
            ("*/5 * * * *", "2026-06-06T10:04:59Z", Some("2026-06-06T10:00:00Z")),
            ("*/5 * * * *", "2026-06-06T10:05:00Z", Some("2026-06-06T10:05:00Z")),
            ("0 0 29 2 *", "2031-06-06T00:00:00Z", Some("2028-02-28T23:00:00Z")),
            ("0 0 31 2 *", "2031-06-06T00:00:00Z", None),
        ];
        for (text, until, expected) in table {
            let found = cron(text).last_between(at("2020-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z"), at(until));
            assert_eq!(found, expected.map(at), "{text}");
        }
    }

    #[test]
    fn a_fire_at_the_begin_of_the_range_does_not_count() {
        let begin = at("2026-06-06T10:00:00Z");
        assert_eq!(cron("0 * * * *").last_between(begin, begin, begin + TimeDelta::minutes(59)), None);
    }
}
