//! Who acted.

use std::fmt;

use keywheel_contract::TokenId;
use serde::{Deserialize, Serialize};

/// Who acted, as events and audit rows tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(String);

impl Actor {
    /// The daemon itself: a schedule, a recovery, later work.
    pub fn daemon() -> Self {
        Self("keywheel".to_owned())
    }

    /// A person over the unix socket, by user id.
    pub fn local(uid: u32) -> Self {
        Self(format!("uid:{uid}"))
    }

    /// The holder of the development root token.
    pub fn root_token() -> Self {
        Self("token:root".to_owned())
    }

    /// The holder of a bearer token.
    pub fn token(id: &TokenId) -> Self {
        Self(format!("token:{id}"))
    }

    /// The text that is kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a kept text.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
