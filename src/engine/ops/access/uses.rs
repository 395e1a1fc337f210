//! Which uses of tokens were noted lately: at most one a minute and token is written, beside the request and not in it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::TokenId;

/// How long a use speaks for those after it.
const SPEAKS_FOR: TimeDelta = TimeDelta::minutes(1);
/// Tokens that are remembered before the old ones are looked for.
const MANY: usize = 10_000;

/// When the last use of each token was noted.
#[derive(Debug, Default)]
pub(in crate::engine) struct Uses(Mutex<HashMap<TokenId, DateTime<Utc>>>);

impl Uses {
    /// Whether a use now is to be written; then those of the next minute are not.
    pub(super) fn is_due(&self, token: &TokenId, now: DateTime<Utc>) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back counts as over, else the use would stay untold.
        let is_over = |at: &DateTime<Utc>| now - *at >= SPEAKS_FOR || now < *at;
        if noted.get(token).is_some_and(|at| !is_over(at)) {
            return false;
        }
        if noted.len() >= MANY {
            noted.retain(|_, at| !is_over(at));
        }
        noted.insert(token.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_noted_one_time_a_minute() {
        let (uses, first) = (Uses::default(), DateTime::UNIX_EPOCH + TimeDelta::days(1));
        let (one, other) = (TokenId::mint(first, [1; 10]), TokenId::mint(first, [2; 10]));
        let due = |token: &TokenId, seconds| uses.is_due(token, first + TimeDelta::seconds(seconds));
        assert!(due(&one, 0) && !due(&one, 0) && !due(&one, 59));
        assert!(due(&other, 30));
        assert!(due(&one, 60) && !due(&one, 61));
        assert!(due(&one, -3_600), "the clock was set back");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let (uses, at) = (Uses::default(), DateTime::UNIX_EPOCH);
        for n in 0..u32::try_from(MANY).expect("few") {
            let mut part = [0; 10];
            part[..4].copy_from_slice(&n.to_be_bytes());
            assert!(uses.is_due(&TokenId::mint(at, part), at));
        }
        assert!(uses.is_due(&TokenId::mint(at, [255; 10]), at + TimeDelta::minutes(2)));
        assert_eq!(uses.0.lock().expect("whole").len(), 1);
    }
}
