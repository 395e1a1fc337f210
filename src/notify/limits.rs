//! What every channel is bound to, from the configuration file and the composition root.

use std::{fmt, sync::Arc};

use crate::clock::{Clock, SystemClock};

use super::{Cidr, Resolve, SystemResolver};

/// What every channel is bound to, and what it gets from outside.
#[derive(Clone)]
pub struct Limits {
    /// Networks that are not public and that every channel may reach.
    pub allow: Vec<Cidr>,
    /// Networks that are not public and that a channel may reach if its own settings name them.
    pub may_allow: Vec<Cidr>,
    /// How names become addresses.
    pub resolver: Arc<dyn Resolve>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The name of this host, as syslog tells it.
    pub hostname: String,
}

impl Default for Limits {
    /// Public addresses alone, by the system's resolver and clock.
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            may_allow: Vec::new(),
            resolver: Arc::new(SystemResolver),
            clock: Arc::new(SystemClock),
            hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("allow", &self.allow)
            .field("may_allow", &self.may_allow)
            .field("hostname", &self.hostname)
            .finish_non_exhaustive()
    }
}
