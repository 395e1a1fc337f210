//! `[acme]`: how public authorities are found.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// `[acme]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Acme {
    /// The DNS server to find authorities by; that of the system if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<SocketAddr>,
}
