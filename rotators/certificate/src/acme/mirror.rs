//! The ledgers of all authorities, beside their limits: asked before an order, told after it.
//!
//! Held in memory, and kept over a restart by whoever is given the text. A crash forgets at most the last change.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use instant_acme::LetsEncrypt;

use super::error::{AcmeError, Class, Whose};
use super::limits::{Attempt, Ledger, Limits, Planned};

/// Ledgers by the address of a directory.
pub struct Mirror {
    limits: BTreeMap<String, Limits>,
    ledgers: Mutex<BTreeMap<String, Ledger>>,
    keep: Option<Keep>,
}

/// Takes the ledgers as text, to keep them over a restart.
type Keep = Box<dyn Fn(&str) + Send + Sync>;

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror").field("ledgers", &self.ledgers).finish_non_exhaustive()
    }
}

impl Default for Mirror {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl Mirror {
    /// Mirrors Let's Encrypt's own limits, and the given ones of other directories by their address.
    pub fn new(configured: BTreeMap<String, Limits>) -> Self {
        let mut limits = BTreeMap::from([(LetsEncrypt::Production.url().to_owned(), Limits::letsencrypt())]);
        limits.extend(configured);
        Self { limits, ledgers: Mutex::default(), keep: None }
    }

    /// Has the ledgers kept after each change, by whoever is given their text.
    #[must_use]
    pub fn kept_by(mut self, keep: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.keep = Some(Box::new(keep));
        self
    }

    /// Takes up what [`Self::to_json`] gave; answers whether it could be read.
    pub fn restore(&self, json: &str) -> bool {
        let Ok(read) = serde_json::from_str(json) else { return false };
        *self.ledgers.lock().unwrap_or_else(PoisonError::into_inner) = read;
        true
    }

    /// The ledgers as text.
    pub fn to_json(&self) -> String {
        let ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::to_string(&*ledgers).expect("maps with text keys can be written")
    }

    /// Whether a directory may be asked now.
    pub(super) fn admit(&self, directory: &str, planned: &Planned<'_>, now: DateTime<Utc>) -> Result<(), AcmeError> {
        let none = Limits { limits: Vec::new(), renewals_are_free: true };
        let limits = self.limits.get(directory).unwrap_or(&none);
        let ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(ledger) = ledgers.get(directory) else { return Ok(()) };
        // Who asked for a rotation is not known here, so that every try leaves the last unit.
        ledger.may_try(limits, planned, Attempt::Automatic, now).map_err(|wait| {
            let not_before = (wait.at - now).to_std().ok();
            let sentence = match wait.limit {
                Some(limit) => format!(
                    "a limit of the authority is nearly used up: {} in {} s, and the last one is kept",
                    limit.most, limit.within_seconds
                ),
                None => "the authority asked to wait, and the time is not over".to_owned(),
            };
            let hint = "wait, or put a second authority behind this one";
            AcmeError::new(Class::RateLimited { not_before }, Whose::Authorities, "acme-limit-near", sentence, hint)
        })
    }

    /// Writes into a directory's ledger.
    pub(super) fn note(&self, directory: &str, now: DateTime<Utc>, write: impl FnOnce(&mut Ledger)) {
        let mut ledgers = self.ledgers.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = ledgers.entry(directory.to_owned()).or_default();
        write(ledger);
        let usual = Limits::letsencrypt();
        ledger.prune(self.limits.get(directory).unwrap_or(&usual), now);
        drop(ledgers);
        if let Some(keep) = &self.keep {
            keep(&self.to_json());
        }
    }

    /// Writes what a failure says about the authority's counts.
    pub(super) fn note_failure(&self, directory: &str, names: &[String], error: &AcmeError, now: DateTime<Utc>) {
        self.note(directory, now, |ledger| match (&error.class, error.code) {
            (Class::RateLimited { not_before: Some(wait) }, code) if code != "acme-limit-near" => {
                ledger.told_to_wait(now + *wait);
            }
            (
                _,
                "acme-validation-unreachable" | "acme-validation-failed" | "acme-unauthorized" | "acme-caa-forbids",
            ) => {
                // Which of the names it was is not told apart.
                for name in names {
                    ledger.failed(name, now);
                }
            }
            _ => {}
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn error(class: Class, code: &'static str) -> AcmeError {
        AcmeError::new(class, Whose::Authorities, code, "x", "y")
    }

    #[test]
    fn a_wait_that_was_asked_for_outlives_a_restart() {
        let (now, names) = (DateTime::UNIX_EPOCH, ["a.example.org".to_owned()]);
        let planned = Planned { names: &names, is_replacing: false };
        let mirror = Mirror::default();
        let hour = Some(Duration::from_hours(1));
        mirror.note_failure("d", &names, &error(Class::RateLimited { not_before: hour }, "acme-rate-limited"), now);
        let again = Mirror::default();
        assert!(again.restore(&mirror.to_json()) && !again.restore("{nonsense"));
        let refused = again.admit("d", &planned, now + Duration::from_mins(20)).expect_err("told to wait");
        let left = Some(Duration::from_mins(40));
        assert_eq!((refused.code, refused.class), ("acme-limit-near", Class::RateLimited { not_before: left }));
        assert_eq!(again.admit("d", &planned, now + Duration::from_hours(1)), Ok(()));
        assert_eq!(again.admit("another", &planned, now), Ok(()));
    }

    #[test]
    fn failed_validations_at_lets_encrypt_hold_back_the_fifth() {
        let (now, names) = (DateTime::UNIX_EPOCH, ["a.example.org".to_owned()]);
        let planned = Planned { names: &names, is_replacing: true };
        let (mirror, directory) = (Mirror::default(), LetsEncrypt::Production.url());
        for _ in 0..4 {
            assert_eq!(mirror.admit(directory, &planned, now), Ok(()));
            let failed = error(Class::Transient { not_before: None }, "acme-validation-unreachable");
            mirror.note_failure(directory, &names, &failed, now);
        }
        assert_eq!(mirror.admit(directory, &planned, now).expect_err("the last one is kept").code, "acme-limit-near");
    }
}
