//! Failures as decisions: what may have happened, in a plain sentence, with a hint.

use std::time::Duration;

/// What the engine may conclude from a failed operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing changed, and the same call may work later; not before the given time has passed, if it is given.
    Transient {
        /// The shortest wait that the target asked for.
        not_before: Option<Duration>,
    },
    /// The target said no: nothing changed, and the same call will not work.
    Refused,
    /// It may or may not have happened, and may still happen.
    Unknown,
    /// Nothing changed, and nothing will until a person changes the named key.
    Misconfigured {
        /// The setting to change, such as `target.tls`.
        key: String,
    },
}

/// A failed operation of a rotator. Its texts hold no secret value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    /// What may be concluded.
    pub decision: Decision,
    /// A stable kebab-case code, such as `postgres-permission-denied`.
    pub code: &'static str,
    /// What failed, and on what: a lower-case fragment without a full stop.
    pub sentence: String,
    /// The one command, key or page that solves it.
    pub hint: String,
}

impl Failure {
    /// A failure after which the same call may work.
    pub fn transient(code: &'static str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Decision::Transient { not_before: None }, code, sentence, hint)
    }

    /// A refusal: nothing changed.
    pub fn refused(code: &'static str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Decision::Refused, code, sentence, hint)
    }

    /// A lost answer: it may have happened.
    pub fn unknown(code: &'static str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Decision::Unknown, code, sentence, hint)
    }

    /// A failure that a person must mend, at the named key.
    pub fn misconfigured(
        key: impl Into<String>,
        code: &'static str,
        sentence: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(Decision::Misconfigured { key: key.into() }, code, sentence, hint)
    }

    fn new(decision: Decision, code: &'static str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { decision, code, sentence: sentence.into(), hint: hint.into() }
    }
}
