//! How long a token lives.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// How long a token lives where nobody says: 90 days.
pub const USUAL_LIFE: Duration = Duration::from_hours(90 * 24);
/// How long a token lives at most: 400 days.
pub const LONGEST_LIFE: Duration = Duration::from_hours(400 * 24);

/// When a token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// It is refused from this time on.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Whether a token lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is taken.
    Live,
    /// Its time is over.
    Expired,
    /// Somebody revoked it. Nothing undoes that.
    Revoked,
}

impl Life {
    /// Whether it lives at a time. A revocation counts whatever the clock says.
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        match self.revoked_at {
            Some(_) => Standing::Revoked,
            None if now >= self.expires_at => Standing::Expired,
            None => Standing::Live,
        }
    }
}

impl Standing {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_token_ends_at_its_time_and_not_a_microsecond_later() {
        let expires_at = DateTime::UNIX_EPOCH + TimeDelta::days(400);
        let life = Life { expires_at, revoked_at: None };
        for (offset, standing) in [
            (-1_000_000, Standing::Live),
            (-1, Standing::Live),
            (0, Standing::Expired),
            (1, Standing::Expired),
            (1_000_000, Standing::Expired),
        ] {
            assert_eq!(life.standing(expires_at + TimeDelta::microseconds(offset)), standing, "{offset}");
        }
    }

    #[test]
    fn a_revocation_counts_whatever_the_clock_says() {
        let revoked_at = DateTime::UNIX_EPOCH + TimeDelta::days(2);
        let life = Life { expires_at: revoked_at + TimeDelta::days(1), revoked_at: Some(revoked_at) };
        for days in [0, 2, 5] {
            assert_eq!(life.standing(DateTime::UNIX_EPOCH + TimeDelta::days(days)), Standing::Revoked);
        }
    }
}
