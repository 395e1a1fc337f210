//! What an asker is told when it cannot be done: code, sentence, hint, and which kind of trouble it is.

use std::borrow::Cow;

use keywheel_contract::{Decision, Failure, Finding};

use crate::{keyring::KeyringError, rotation::Because, store::StoreError};

/// The kind of trouble, from which surfaces make a status or an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong in itself.
    Invalid,
    /// What it names does not exist.
    NotFound,
    /// It does not go together with what exists or runs.
    Conflict,
    /// A promise would be given up; it must be acknowledged.
    NeedsAcknowledgement,
    /// Nobody knows who asks.
    Unauthenticated,
    /// The asker may not.
    Denied,
    /// It was tried, and the target said no.
    Refused,
    /// It cannot be done now.
    Unavailable,
    /// A defect of keywheel.
    Internal,
}

/// What an asker is told.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Trouble {
    /// The kind.
    pub kind: Kind,
    /// A stable kebab-case code.
    pub code: Cow<'static, str>,
    /// What is wrong: a lower-case fragment without a full stop.
    pub sentence: String,
    /// The one command, key or page that solves it.
    pub hint: String,
    /// Findings of a preflight that stand in the way.
    pub findings: Vec<Finding>,
    /// What lies beneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Trouble {
    /// Trouble of the given kind.
    pub fn new(
        kind: Kind,
        code: impl Into<Cow<'static, str>>,
        sentence: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            code: code.into(),
            sentence: sentence.into(),
            hint: hint.into(),
            findings: Vec::new(),
            source: None,
        }
    }

    /// Something that does not exist.
    pub fn not_found(what: &str, name: &str) -> Self {
        let hint = format!("`keywheel {what} list` shows what exists");
        Self::new(Kind::NotFound, "not-found", format!("no {what} is named `{name}`"), hint)
    }

    /// The same trouble with the findings that stand in the way.
    #[must_use]
    pub fn with_findings(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// The reason as it is recorded in a journal.
    pub fn because(&self) -> Because {
        Because::new(&self.code, &self.sentence, &self.hint)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Exists { .. } | StoreError::Stale { .. } | StoreError::FenceLost { .. } => Kind::Conflict,
            StoreError::Tampered { .. }
            | StoreError::Unreadable { .. }
            | StoreError::Damaged { .. }
            | StoreError::Keyring(_) => Kind::Internal,
            _ => Kind::Unavailable,
        };
        let mut trouble = Self::new(kind, error.code(), error.to_string(), error.hint());
        trouble.source = std::error::Error::source(&error).map(|cause| Box::from(cause.to_string()));
        trouble
    }
}

impl From<KeyringError> for Trouble {
    fn from(error: KeyringError) -> Self {
        Self::new(Kind::Internal, error.code(), error.to_string(), error.hint())
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        let kind = match failure.decision {
            Decision::Transient { .. } | Decision::Unknown => Kind::Unavailable,
            Decision::Refused => Kind::Refused,
            Decision::Misconfigured { .. } => Kind::Invalid,
        };
        Self::new(kind, failure.code, failure.sentence, failure.hint)
    }
}
