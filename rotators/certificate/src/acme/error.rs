//! What went wrong with an authority, as decisions: class, code, sentence and hint, and whose matter it is.
//!
//! Classified by HTTP status, by RFC 8555's error types (section 6.7) and by how far a request went, never by an
//! authority's prose, which is quoted and cut.

use std::time::Duration;

use instant_acme::Error;
use keywheel_contract::{Decision, Failure};

use super::exchange::Exchange;
use super::problem::verdict;

/// What may be concluded, in the order of what is least harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// Nothing was issued; the same may work later.
    Transient {
        /// The wait that the authority asked for.
        not_before: Option<Duration>,
    },
    /// The authority counts, and this was too much.
    RateLimited {
        /// The wait that the authority asked for.
        not_before: Option<Duration>,
    },
    /// The authority said no, and will again.
    Refused,
    /// A person must change the named key.
    Misconfigured {
        /// The setting or the field.
        key: String,
    },
    /// The answer to finalize was lost: a certificate may have been issued, and the order tells.
    Unknown,
}

/// Whose matter a failure is: another authority helps only against what is this authority's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This authority's: away, too busy, its limits, its account, its CAA.
    Authorities,
    /// That of the request or of this host: every authority would say the same.
    Ours,
}

/// A failure of an order or of an account. Holds no secret value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct AcmeError {
    /// What may be concluded.
    pub class: Class,
    /// Whose matter it is.
    pub whose: Whose,
    /// A stable kebab-case code, such as `acme-rate-limited`.
    pub code: &'static str,
    /// What failed, and on what.
    pub sentence: String,
    /// What solves it.
    pub hint: String,
}

impl AcmeError {
    /// A failure of the given class.
    pub fn new(
        class: Class,
        whose: Whose,
        code: &'static str,
        sentence: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { class, whose, code, sentence: sentence.into(), hint: hint.into() }
    }

    /// A key that a person must change, which no other authority mends.
    pub fn misconfigured(key: &str, code: &'static str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Class::Misconfigured { key: key.to_owned() }, Whose::Ours, code, sentence, hint)
    }

    /// Something at this host that may work later.
    pub fn local(code: &'static str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Class::Transient { not_before: None }, Whose::Ours, code, sentence, hint)
    }

    /// A failure that came from the caller's side, such as from keeping an order's address.
    pub(super) fn of_caller(failure: Failure) -> Self {
        let class = match failure.decision {
            Decision::Transient { not_before } => Class::Transient { not_before },
            Decision::Refused => Class::Refused,
            Decision::Unknown => Class::Unknown,
            Decision::Misconfigured { key } => Class::Misconfigured { key },
        };
        Self { class, whose: Whose::Ours, code: failure.code, sentence: failure.sentence, hint: failure.hint }
    }

    pub(super) fn no_directory(directory: &str) -> Self {
        let sentence = format!("`{directory}` is not the address of an ACME directory");
        let hint = "give an https address without a login, such as https://acme-v02.api.letsencrypt.org/directory";
        Self::new(
            Class::Misconfigured { key: "directory".to_owned() },
            Whose::Authorities,
            "acme-directory-invalid",
            sentence,
            hint,
        )
    }

    pub(super) fn bad_roots(cause: impl std::fmt::Display) -> Self {
        let sentence = format!("the certificates to judge the ACME server by cannot be used: {cause}");
        let hint = "give the authority's root certificate as PEM, or install the system's CA certificates";
        let class = Class::Misconfigured { key: "ca_pem".to_owned() };
        Self::new(class, Whose::Authorities, "acme-ca-file-invalid", sentence, hint)
    }

    pub(super) fn garbled(doing: &str, cause: impl std::fmt::Display) -> Self {
        Self::new(
            Class::Transient { not_before: None },
            Whose::Authorities,
            "acme-answer-garbled",
            format!("the authority's answer to {doing} makes no sense: {cause}"),
            "see whether the directory's address is that of an ACME server, and its status page",
        )
    }

    pub(super) fn too_slow(doing: &str, not_before: Option<Duration>) -> Self {
        Self::new(
            Class::Transient { not_before },
            Whose::Authorities,
            "acme-too-slow",
            format!("the authority had not finished {doing} within the time of this attempt"),
            "nothing to do: the order is kept, and the next attempt goes on with it",
        )
    }

    /// The same failure, where the request that failed was finalize: what can have arrived is unknown.
    pub(super) fn of_finalize(error: &Error) -> Self {
        let plain = Self::of("finalize", error);
        if !is_lost(error) {
            return plain;
        }
        Self::finalize_unanswered(&plain.sentence)
    }

    pub(super) fn finalize_unanswered(because: &str) -> Self {
        let sentence = format!("it is not known whether the certificate was issued: {because}");
        let hint = "nothing to do: the order is kept, and is asked before anything is ordered again";
        Self::new(Class::Unknown, Whose::Authorities, "acme-finalize-unanswered", sentence, hint)
    }

    /// What instant-acme's error means; `doing` names the request.
    pub(super) fn of(doing: &str, error: &Error) -> Self {
        match error {
            Error::Api(problem) => verdict(doing, problem.status, None, Some(problem)),
            Error::Timeout(until) => {
                let wait = until.map(|at| at.saturating_duration_since(std::time::Instant::now()));
                Self::too_slow(doing, wait)
            }
            Error::KeyRejected | Error::Crypto => Self::new(
                Class::Misconfigured { key: "accounts".to_owned() },
                Whose::Authorities,
                "acme-account-unusable",
                "the key of the ACME account cannot be used",
                "register the account again",
            ),
            Error::Other(cause) => match cause.downcast_ref::<Exchange>() {
                Some(exchange) => exchange.verdict(doing),
                None => Self::garbled(doing, cause),
            },
            other => Self::garbled(doing, other),
        }
    }
}

impl From<AcmeError> for Failure {
    fn from(error: AcmeError) -> Self {
        let decision = match error.class {
            Class::Transient { not_before } | Class::RateLimited { not_before } => Decision::Transient { not_before },
            Class::Refused => Decision::Refused,
            Class::Misconfigured { key } => Decision::Misconfigured { key },
            Class::Unknown => Decision::Unknown,
        };
        Self { decision, code: error.code, sentence: error.sentence, hint: error.hint }
    }
}

/// Whether the request may have arrived although no answer came, or none that can be read.
pub(super) fn is_lost(error: &Error) -> bool {
    match error {
        Error::Other(cause) => match cause.downcast_ref::<Exchange>() {
            // A gateway's word is not the authority's.
            Some(Exchange::Answer { status, problem: None, .. }) => *status >= 500 || *status < 400,
            Some(Exchange::Answer { status, .. }) => *status >= 500,
            Some(Exchange::Lost { .. }) | None => true,
            Some(_) => false,
        },
        Error::Json(_) | Error::Hyper(_) | Error::Str(_) => true,
        _ => false,
    }
}

/// The problem document and the status of a refusal.
pub(super) fn refusal_of(error: &Error) -> Option<(Option<u16>, Option<&str>)> {
    match error {
        Error::Api(problem) => Some((problem.status, problem.r#type.as_deref())),
        Error::Other(cause) => match cause.downcast_ref::<Exchange>()? {
            Exchange::Answer { status, problem, .. } => {
                Some((Some(*status), problem.as_ref().and_then(|problem| problem.r#type.as_deref())))
            }
            _ => None,
        },
        _ => None,
    }
}
