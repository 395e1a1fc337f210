//! The claims that this process holds, judged by a clock that counts suspension.
//!
//! A claim counts from before it was asked for, so that this process never believes longer than the store does.

use std::{collections::HashMap, sync::Mutex, time::Duration};

/// The claims held, by subject: fence, and until when in time since the machine's start.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashMap<String, (i64, Duration)>>);

impl Claims {
    pub(super) fn take(&self, subject: &str, fence: i64, until: Duration) {
        self.held().insert(subject.to_owned(), (fence, until));
    }

    pub(super) fn drop_claim(&self, subject: &str, fence: i64) {
        let mut held = self.held();
        if held.get(subject).is_some_and(|(mine, _)| *mine == fence) {
            held.remove(subject);
        }
    }

    pub(super) fn renew(&self, subject: &str, fence: i64, until: Duration) {
        if let Some((mine, end)) = self.held().get_mut(subject)
            && *mine == fence
        {
            *end = until;
        }
    }

    /// Whether the claim still stands: asked directly before each outside call.
    pub(super) fn stands(&self, subject: &str, fence: i64, boot: Duration) -> bool {
        self.held().get(subject).is_some_and(|(mine, until)| *mine == fence && boot < *until)
    }

    /// What is held.
    pub(super) fn subjects(&self) -> Vec<String> {
        self.held().keys().cloned().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held().is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.held().len()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, (i64, Duration)>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_claim_stands_until_its_time_and_no_longer() {
        let claims = Claims::default();
        claims.take("s", 7, SECOND * 10);
        assert!(claims.stands("s", 7, SECOND * 9));
        assert!(!claims.stands("s", 7, SECOND * 10));
        assert!(!claims.stands("s", 6, SECOND));
        claims.renew("s", 7, SECOND * 20);
        assert!(claims.stands("s", 7, SECOND * 19));
    }

    #[test]
    fn an_older_fence_cannot_drop_a_newer_claim() {
        let claims = Claims::default();
        claims.take("s", 8, SECOND);
        claims.drop_claim("s", 7);
        assert!(!claims.is_empty());
    }
}
