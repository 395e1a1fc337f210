//! What goes wrong on the wire, told apart by what may be concluded from it.

use super::frame::Fields;

/// An error that the server reported, with the fields that are never localised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`; the last two end the session.
    pub(crate) severity: String,
    /// The SQLSTATE, five characters.
    pub(crate) code: String,
    /// The server's function that reported it; poolers leave it empty.
    pub(crate) routine: String,
    /// The primary message, in the server's language.
    pub(crate) message: String,
}

/// Why the wire gave no answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// No answer: not connected, cut off, or too late.
    #[error("{doing}: {cause}")]
    Silent {
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        cause: String,
    },
    /// The TLS connection that the settings ask for could not be made.
    #[error("TLS: {cause}")]
    Tls {
        /// What is wrong with it.
        cause: String,
    },
    /// The other side does not speak the protocol as it is written, or asks for what must not be given.
    #[error("protocol: {cause}")]
    Protocol {
        /// What was unexpected.
        cause: String,
    },
    /// The server said no.
    #[error("{} ({})", .0.message, .0.code)]
    Server(ServerError),
}

impl WireError {
    pub(super) fn silent(doing: &'static str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Silent { doing, cause: cause.into().to_string() }
    }

    pub(super) fn protocol(cause: impl Into<String>) -> Self {
        Self::Protocol { cause: cause.into() }
    }

    /// Reads an `ErrorResponse`.
    pub(super) fn from_fields(fields: &Fields) -> Self {
        let text = |kind: u8| fields.iter().find(|(k, _)| *k == kind).map(|(_, v)| v.clone()).unwrap_or_default();
        // `V` is the severity that is not translated (from 9.6 on).
        let severity = if text(b'V').is_empty() { text(b'S') } else { text(b'V') };
        Self::Server(ServerError { severity, code: text(b'C'), routine: text(b'R'), message: text(b'M') })
    }
}
