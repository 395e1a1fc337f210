//! `[daemon]`.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::schedule::HumanDuration;

/// Where the daemon keeps its files and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Daemon {
    /// Where the daemon keeps its files; mode 0700.
    pub data_dir: PathBuf,
    /// The unix socket; `keywheel.sock` in the data directory if none is named.
    pub socket: Option<PathBuf>,
    /// A loopback port for metrics and health alone.
    pub metrics_listen: Option<SocketAddr>,
    /// How long work that runs may take to end after the first signal to stop.
    pub drain: HumanDuration,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/keywheel"),
            socket: None,
            metrics_listen: None,
            drain: HumanDuration::from_secs(10).expect("in bounds"),
        }
    }
}

impl Daemon {
    /// The unix socket.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.data_dir.join("keywheel.sock"))
    }
}
