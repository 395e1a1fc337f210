//! `[listen]`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::model::Name;

/// Where other machines reach the API, over TLS. Both keys, or neither.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Address and port.
    pub address: Option<SocketAddr>,
    /// The name of the secret that holds the listener's certificate and key.
    pub certificate: Option<String>,
}

impl Listen {
    /// Address and certificate, where both are given and can be.
    pub fn place(&self) -> Option<(SocketAddr, Name)> {
        Some((self.address?, Name::parse(self.certificate.as_deref()?).ok()?))
    }

    /// The key that keeps this from working, and what is permitted there.
    pub(super) fn fault(&self) -> Option<(&'static str, &'static str)> {
        match (self.address, &self.certificate) {
            (None, Some(_)) => Some(("address", "given where `certificate` is, such as `0.0.0.0:8200`")),
            (Some(_), None) => Some(("certificate", "given where `address` is, such as `keywheel/listener`")),
            (Some(_), Some(name)) if Name::parse(name).is_err() => {
                Some(("certificate", "the name of a secret, such as `keywheel/listener`"))
            }
            (None, None) | (Some(_), Some(_)) => None,
        }
    }
}
