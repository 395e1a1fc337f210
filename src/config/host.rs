//! `[[hook]]`, `[[delivery_root]]`, `[[install_root]]` and `[[scan_root]]`: what the daemon may run, where it may write
//! and where it may look.

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

/// A folder below which the daemon may install certificates. API and commands refer to it by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstallRoot {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// The folder, by absolute path.
    pub path: PathBuf,
    /// Whose the files are; the daemon's own user if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The group of the files; the daemon's own if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The mode of private keys: `0600`, or `0640` for a group that reads them.
    #[serde(default = "only_owner")]
    pub key_mode: String,
    /// The mode of folders: `0755`, or `0750` or `0700`.
    #[serde(default = "for_everybody")]
    pub folder_mode: String,
}

fn for_everybody() -> String {
    "0755".to_owned()
}

fn only_owner() -> String {
    "0600".to_owned()
}

/// A folder below which the daemon may look for certificates. API and commands refer to it by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScanRoot {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// The folder, by absolute path.
    pub path: PathBuf,
}

/// Whether a text may name a hook or a folder.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
