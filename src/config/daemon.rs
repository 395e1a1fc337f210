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
    /// Where people reach the daemon; links in notices begin with it, and there are none without it.
    pub public_url: Option<String>,
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
            public_url: None,
            metrics_listen: None,
            drain: HumanDuration::from_secs(10).expect("in bounds"),
        }
    }
}

/// Whether a text can begin links: `http` or `https`, a host, a path or none, and nothing else.
pub(super) fn begins_links(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_graphic() && !"?#@\\\"'<>`{}|^".contains(c);
    let has_name = host.split(':').next().is_some_and(|name| !name.is_empty());
    text.len() <= 1024 && has_name && text.chars().all(is_plain)
}

impl Daemon {
    /// The unix socket.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.data_dir.join("keywheel.sock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_begins_with_a_plain_address() {
        for text in ["https://keys.example.org", "http://127.0.0.1:8200/", "https://a.b/keywheel", "https://[::1]:1/x"]
        {
            assert!(begins_links(text), "{text}");
        }
        let odd =
            ["keys.example.org", "ftp://a", "https://", "https:///x", "https://a?b", "https://a#b", "https://u@a"];
        for text in odd.into_iter().chain(["https://a b", "https://a\n", "javascript:alert(1)", "https://:80", ""]) {
            assert!(!begins_links(text), "{text}");
        }
    }
}
