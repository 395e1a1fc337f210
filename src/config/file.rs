//! The whole file.

use serde::{Deserialize, Serialize};

use super::{Acme, Daemon, DeliveryRoot, Engine, Hook, InstallRoot, Keys, Listen, Log, Notify, ScanRoot, Store};

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[daemon]`.
    pub daemon: Daemon,
    /// `[listen]`.
    pub listen: Listen,
    /// `[store]`.
    pub store: Store,
    /// `[keys]`.
    pub keys: Keys,
    /// `[engine]`.
    pub engine: Engine,
    /// `[notify]`.
    pub notify: Notify,
    /// `[acme]`.
    pub acme: Acme,
    /// `[log]`.
    pub log: Log,
    /// `[[hook]]`.
    #[serde(rename = "hook")]
    pub hooks: Vec<Hook>,
    /// `[[delivery_root]]`.
    #[serde(rename = "delivery_root")]
    pub delivery_roots: Vec<DeliveryRoot>,
    /// `[[install_root]]`.
    #[serde(rename = "install_root")]
    pub install_roots: Vec<InstallRoot>,
    /// `[[scan_root]]`.
    #[serde(rename = "scan_root")]
    pub scan_roots: Vec<ScanRoot>,
}
