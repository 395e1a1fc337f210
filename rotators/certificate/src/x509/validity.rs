//! Times of validity: when a certificate begins and ends, within what its issuers allow.
//!
//! Certificates carry whole seconds. They begin an hour early, because clocks of those who read them differ.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Certificate;

/// How long before now a certificate begins.
pub const BACKDATE: Duration = Duration::from_hours(1);

/// The last second that a certificate can name: the end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// From one second to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
}

impl Window {
    /// The time in which all of the certificates are valid.
    pub(super) fn shared_by<'a>(certificates: impl Iterator<Item = &'a Certificate>) -> Self {
        let all = Self { from: DateTime::UNIX_EPOCH, until: at(LAST_SECOND) };
        certificates.fold(all, |window, certificate| {
            let facts = certificate.facts();
            Self { from: window.from.max(facts.not_before), until: window.until.min(facts.not_after) }
        })
    }

    /// An hour before now until the lifetime after now; `None` where no such certificate can be: it would last no
    /// second, or beyond what can be written.
    pub(super) fn starting(now: DateTime<Utc>, lifetime: Duration) -> Option<Self> {
        let second = now.timestamp();
        let until = second.checked_add(i64::try_from(lifetime.as_secs()).ok()?)?;
        let from = second.saturating_sub_unsigned(BACKDATE.as_secs()).max(0);
        (until > second && until <= LAST_SECOND).then(|| Self { from: at(from), until: at(until) })
    }
}

/// The time with its fraction of a second cut off.
pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// Seconds since 1970, to be added to rcgen's own 1970: its type for times has no other door. What is before 1970 is 1970.
pub(super) fn since_1970(time: DateTime<Utc>) -> Duration {
    Duration::from_secs(u64::try_from(time.timestamp().min(LAST_SECOND)).unwrap_or(0))
}

/// How long something lasts, or nothing.
pub(super) fn span(from: DateTime<Utc>, until: DateTime<Utc>) -> Duration {
    (until - from).max(TimeDelta::zero()).to_std().unwrap_or_default()
}

/// A time as certificates' JSON carries it: RFC 3339 in UTC, whole seconds.
pub(super) fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
