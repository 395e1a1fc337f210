//! What a schedule must be told about a secret to answer.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// The lifetime of a secret's current version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// When the version was made.
    pub starts_at: DateTime<Utc>,
    /// When it stops being accepted.
    pub expires_at: DateTime<Utc>,
}

/// The facts about one secret, and the time.
#[derive(Debug, Clone, Copy)]
pub struct DueContext<'a> {
    /// The last publish, or the adoption or creation before any. Intervals count from here; every answer lies after it.
    pub after: DateTime<Utc>,
    /// The present.
    pub now: DateTime<Utc>,
    /// The secret's id as text, from which its share of the jitter is derived.
    pub secret_id: &'a str,
    /// The lifetime of the current version; `None` if it does not expire.
    pub lifetime: Option<Lifetime>,
    /// How long before the expiry the rotation must have started; cut to a third of the lifetime.
    pub expiry_margin: Duration,
}

impl DueContext<'_> {
    /// The lifetime, unless the version was born expired: that says nothing about when to rotate.
    pub(super) fn usable_lifetime(&self) -> Option<Lifetime> {
        self.lifetime.filter(|lifetime| lifetime.starts_at < lifetime.expires_at)
    }

    /// The latest moment at which a rotation must start: the expiry less the margin.
    ///
    /// The margin is cut to a third of the lifetime. Without that, a version that lives shorter than the margin would
    /// be overdue at birth, and be rotated without end.
    pub fn deadline(&self) -> Option<DateTime<Utc>> {
        let lifetime = self.usable_lifetime()?;
        let third = (lifetime.expires_at - lifetime.starts_at) / 3;
        let margin = TimeDelta::from_std(self.expiry_margin).unwrap_or(TimeDelta::MAX).min(third);
        Some(lifetime.expires_at - margin)
    }

    /// The earliest answer: a second after the last publish.
    pub(super) fn earliest(&self) -> DateTime<Utc> {
        self.after.checked_add_signed(TimeDelta::seconds(1)).unwrap_or(self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(lifetime_days: i64, margin_days: u64) -> DueContext<'static> {
        let starts_at = DateTime::UNIX_EPOCH;
        let lifetime = Some(Lifetime { starts_at, expires_at: starts_at + TimeDelta::days(lifetime_days) });
        let expiry_margin = Duration::from_secs(margin_days * 86_400);
        DueContext { after: starts_at, now: starts_at, secret_id: "sec", lifetime, expiry_margin }
    }

    #[test]
    fn the_margin_is_never_more_than_a_third_of_the_lifetime() {
        for (lifetime, margin, deadline) in [(90, 7, 83), (90, 30, 60), (9, 7, 6), (3, 1_000_000, 2), (90, 0, 90)] {
            let expected = DateTime::UNIX_EPOCH + TimeDelta::days(deadline);
            assert_eq!(context(lifetime, margin).deadline(), Some(expected), "{lifetime} {margin}");
        }
    }

    #[test]
    fn a_version_that_was_born_expired_has_no_deadline() {
        assert_eq!(context(0, 7).deadline(), None);
        assert_eq!(context(-5, 7).deadline(), None);
    }
}
