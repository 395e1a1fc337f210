//! How one request to an authority can fail, by how far it went.

use std::time::Duration;

use instant_acme::Problem;

use super::error::{AcmeError, Class, Whose};
use super::problem::verdict;

/// How an exchange of one request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Exchange {
    /// The request did not leave this host.
    #[error("{because}")]
    NotSent { because: String },
    /// The server's certificate was not accepted; the request did not leave.
    #[error("{because}")]
    Untrusted { because: String },
    /// The address is not of the directory's host; it was not asked.
    #[error("`{address}` is not at `{host}`")]
    Elsewhere { address: String, host: String },
    /// The request left, and no whole answer came.
    #[error("{because}")]
    Lost { because: String },
    /// The server answered, and not with success.
    #[error("status {status}")]
    Answer { status: u16, retry_after: Option<Duration>, problem: Option<Problem> },
}

impl Exchange {
    pub(super) fn not_sent(cause: impl std::fmt::Display) -> Self {
        Self::NotSent { because: cause.to_string() }
    }

    pub(super) fn lost(cause: impl std::fmt::Display) -> Self {
        Self::Lost { because: cause.to_string() }
    }

    pub(super) fn of_handshake(cause: &std::io::Error) -> Self {
        let inner = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let is_certificate = matches!(inner, Some(rustls::Error::InvalidCertificate(_)));
        let because = cause.to_string();
        if is_certificate { Self::Untrusted { because } } else { Self::NotSent { because } }
    }

    pub(super) fn verdict(&self, doing: &str) -> AcmeError {
        let transient = Class::Transient { not_before: None };
        match self {
            Self::NotSent { because } | Self::Lost { because } => AcmeError::new(
                transient,
                Whose::Authorities,
                "acme-unreachable",
                format!("the authority did not answer {doing}: {because}"),
                "see whether this host reaches the authority's address, and the authority's status page",
            ),
            Self::Untrusted { because } => AcmeError::new(
                Class::Misconfigured { key: "ca_pem".to_owned() },
                Whose::Authorities,
                "acme-server-untrusted",
                format!("the ACME server's certificate is not accepted: {because}"),
                "give the root certificate of a private ACME server as the account's CA file",
            ),
            Self::Elsewhere { address, host } => AcmeError::new(
                Class::Refused,
                Whose::Authorities,
                "acme-address-elsewhere",
                format!("the authority at `{host}` sends {doing} to `{address}`, which is another host"),
                "an authority's addresses are all at its directory's host: see whether the directory is right",
            ),
            Self::Answer { status, retry_after, problem } => {
                verdict(doing, Some(*status), *retry_after, problem.as_ref())
            }
        }
    }
}
