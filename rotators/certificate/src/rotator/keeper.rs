//! What this host lends to the rotator: folders, commands and, where there is one, a client of public authorities.

use std::{collections::BTreeMap, sync::Arc};

use super::Obtain;
use crate::host::{Hooks, InstallRoot};

/// What the daemon's configuration file gives the rotator.
#[derive(Clone)]
pub struct Host {
    /// Where certificates may be installed, by name.
    pub roots: BTreeMap<String, InstallRoot>,
    /// What may be run.
    pub hooks: Arc<dyn Hooks>,
    /// How certificates are had from public authorities; none where that is not set up.
    pub acme: Option<Arc<dyn Obtain>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("roots", &self.roots).finish_non_exhaustive()
    }
}
