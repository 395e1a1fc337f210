//! `[keys]`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{keyring::MasterSource, schedule::HumanDuration};

/// Where master keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeySource {
    /// A file of mode 0600.
    #[default]
    File,
    /// A credential of systemd.
    SystemdCredential,
    /// What a command writes.
    Command,
    /// A passphrase, by Argon2id.
    Passphrase,
    /// An environment variable; with a warning.
    Environment,
}

/// Where master keys come from, and the settings of each source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// The source.
    pub source: KeySource,
    /// For `file`: the file; `master.key` in the data directory if none is named.
    pub file: Option<PathBuf>,
    /// For `systemd-credential`: its name in the unit.
    pub credential: String,
    /// For `command`: program, by absolute path, and arguments; no shell.
    pub command: Vec<String>,
    /// For `command`: the longest that it may run.
    pub command_timeout: HumanDuration,
    /// For `passphrase`: a file of mode 0600 that holds it; if none is named, it is asked for at the terminal.
    pub passphrase_file: Option<PathBuf>,
    /// For `passphrase`: the file of salt and cost; `passphrase.toml` in the data directory if none is named.
    pub passphrase_parameters: Option<PathBuf>,
    /// For `environment`: the name of the variable.
    pub variable: String,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            source: KeySource::File,
            file: None,
            credential: "keywheel-master".to_owned(),
            command: Vec::new(),
            command_timeout: HumanDuration::from_secs(10).expect("in bounds"),
            passphrase_file: None,
            passphrase_parameters: None,
            variable: "KEYWHEEL_MASTER_KEY".to_owned(),
        }
    }
}

impl Keys {
    /// The file of master keys.
    pub fn file(&self, data_dir: &Path) -> PathBuf {
        self.file.clone().unwrap_or_else(|| data_dir.join("master.key"))
    }

    /// The file of a passphrase's salt and cost.
    pub fn parameters(&self, data_dir: &Path) -> PathBuf {
        self.passphrase_parameters.clone().unwrap_or_else(|| data_dir.join("passphrase.toml"))
    }

    /// The source as the keyring takes it.
    pub fn source(&self, data_dir: &Path) -> MasterSource {
        match self.source {
            KeySource::File => MasterSource::File { path: self.file(data_dir) },
            KeySource::SystemdCredential => MasterSource::SystemdCredential { name: self.credential.clone() },
            KeySource::Command => {
                MasterSource::Command { argv: self.command.clone(), timeout: self.command_timeout.as_duration() }
            }
            KeySource::Passphrase => MasterSource::Passphrase { parameters: self.parameters(data_dir) },
            KeySource::Environment => MasterSource::Environment { variable: self.variable.clone() },
        }
    }
}
