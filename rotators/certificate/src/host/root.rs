//! Where the daemon may install, and whose the files become: said by the configuration file alone.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::Mutex;

/// Who may read private keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyMode {
    /// Their owner: mode 0600.
    #[default]
    Owner,
    /// Their owner and group: mode 0640.
    OwnerAndGroup,
}

impl KeyMode {
    /// Reads `0600` or `0640`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim_start_matches('0') {
            "600" => Some(Self::Owner),
            "640" => Some(Self::OwnerAndGroup),
            _ => None,
        }
    }

    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::OwnerAndGroup => 0o640,
        }
    }
}

/// Who may enter the folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FolderMode {
    /// The daemon's user: mode 0700.
    Owner,
    /// And the group: mode 0750.
    OwnerAndGroup,
    /// Everybody: mode 0755. Keys are guarded by their own mode.
    #[default]
    Everybody,
}

impl FolderMode {
    /// Reads `0700`, `0750` or `0755`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim_start_matches('0') {
            "700" => Some(Self::Owner),
            "750" => Some(Self::OwnerAndGroup),
            "755" => Some(Self::Everybody),
            _ => None,
        }
    }

    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Owner => 0o700,
            Self::OwnerAndGroup => 0o750,
            Self::Everybody => 0o755,
        }
    }
}

/// Whose the files below a root become.
///
/// Folders take the group and stay the daemon's own, so that a service that owns its key still cannot change what is
/// installed, and the daemon can take away what it made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstallRules {
    /// The user that files belong to, by name or number; the daemon's own if none is given.
    pub owner: Option<String>,
    /// The group of files and folders, by name or number; the daemon's own if none is given.
    pub group: Option<String>,
    /// The mode of files with a private key. Others are readable by everybody who may enter the folder.
    pub key_mode: KeyMode,
    /// The mode of folders.
    pub folder_mode: FolderMode,
}

/// A folder below which certificates may be installed. API and commands refer to it by its name.
#[derive(Debug, Clone)]
pub struct InstallRoot {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) rules: InstallRules,
    /// Held by work on files as long as it lasts, even where its caller gave up: nothing acts late.
    pub(super) turn: Arc<Mutex<()>>,
}

impl InstallRoot {
    /// Names a root. Clones share its turn: one piece of work at a time.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>, rules: InstallRules) -> Self {
        Self { name: name.into(), path: path.into(), rules, turn: Arc::new(Mutex::new(())) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
