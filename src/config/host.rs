//! `[[hook]]` and `[[delivery_root]]`: what the daemon may run and where it may write.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::schedule::HumanDuration;

/// A command that the daemon may run. API and commands refer to it by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// Program, by absolute path, and arguments; no shell.
    pub argv: Vec<String>,
    /// How long it may run; `30s` if not given.
    #[serde(default = "half_a_minute")]
    pub timeout: HumanDuration,
    /// The user to run it as; the daemon's own if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

fn half_a_minute() -> HumanDuration {
    HumanDuration::from_secs(30).expect("in bounds")
}

/// A folder below which the daemon may write deliveries. API and commands refer to it by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryRoot {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// The folder, by absolute path.
    pub path: PathBuf,
}

/// Whether a text may name a hook or a folder.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
