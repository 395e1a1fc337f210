//! `[notify]`.

use serde::{Deserialize, Serialize};

use super::Network;

/// Which networks that are not public notices may be sent to. What is public may always be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// Networks that every channel may reach.
    pub allow: Vec<Network>,
    /// Networks that a channel may reach if its own settings name them.
    pub may_allow: Vec<Network>,
}
