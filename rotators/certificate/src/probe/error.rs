//! Why a handshake showed no certificate.

use std::io;

/// Why it is not known what an endpoint presents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The setting is not `host:port`, or the name to ask for is none; whoever wrote it mends it.
    #[error("`{text}` is not an address to probe: {because}")]
    BadAddress {
        /// The text, shortened.
        text: String,
        /// What is wrong with it.
        because: &'static str,
    },
    /// The name has no address now.
    #[error("the name has no address: {0}")]
    NoAddress(String),
    /// No connection.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// This host has no way to addresses of this family.
    #[error("this host has no way to the address")]
    NoRoute,
    /// The server speaks another protocol than the one that was asked for.
    #[error("the answer is not {expected}")]
    OtherProtocol {
        /// What was expected.
        expected: &'static str,
    },
    /// The server does not start TLS.
    #[error("the server does not start TLS: {0}")]
    NoStartTls(&'static str),
    /// More than the answer came before TLS began: somebody on the way put it there, or the server is broken.
    #[error("something was sent in clear after the server agreed to start TLS")]
    Injected,
    /// The answer before TLS is too long.
    #[error("the server says too much before TLS begins")]
    TooLong,
    /// TLS failed.
    #[error("the handshake failed: {0}")]
    Tls(String),
    /// The server ended the connection.
    #[error("the server closed the connection {during}")]
    Closed {
        /// What was going on.
        during: &'static str,
    },
    /// Nothing came in time.
    #[error("no answer in time {during}")]
    TimedOut {
        /// What was going on.
        during: &'static str,
    },
}

impl ProbeError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadAddress { .. } => "probe-address-invalid",
            Self::NoAddress(_) => "probe-name-unresolved",
            Self::NotConnected(_) => "probe-not-connected",
            Self::NoRoute => "probe-no-route",
            Self::OtherProtocol { .. } => "probe-other-protocol",
            Self::NoStartTls(_) => "probe-no-starttls",
            Self::Injected => "probe-injected",
            Self::TooLong => "probe-too-long",
            Self::Tls(_) => "probe-tls-failed",
            Self::Closed { .. } => "probe-closed",
            Self::TimedOut { .. } => "probe-timed-out",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadAddress { .. } => {
                "write a name or address and a port, such as `shop.example.org:443` or `[::1]:443`"
            }
            Self::NoAddress(_) => "does this name resolve on the daemon's host?",
            Self::NotConnected(_) | Self::NoRoute | Self::Closed { .. } | Self::TimedOut { .. } => {
                "is the service running, and may the daemon's host reach it?"
            }
            Self::OtherProtocol { .. } | Self::NoStartTls(_) => "check the port, and `starttls` of this probe",
            Self::Injected | Self::TooLong => "look at what stands between the daemon and the service",
            Self::Tls(_) => "does the service speak TLS 1.2 or 1.3 with this certificate's kind of key?",
        }
    }

    /// A failure of reading or writing.
    pub(super) fn of_io(during: &'static str, cause: &io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match cause.kind() {
            UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => Self::Closed { during },
            _ => Self::NotConnected(cause.to_string()),
        }
    }
}
