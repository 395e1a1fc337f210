//! Where master keys come from. Reading is the one thing of this floor that touches the outside; what the process
//! was given (directories, variables, a typed passphrase) is passed in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use keywheel_contract::SecretText;
use zeroize::Zeroizing;

use super::private_file::{self, Readers, read_private};
use super::{CommandError, FileError, MasterError, MasterKeys, PassphraseError, PassphraseParameters, command};

/// A source of master keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterSource {
    /// A file that only the daemon's user can read.
    File {
        /// The file.
        path: PathBuf,
    },
    /// A credential that systemd hands to the service (`LoadCredentialEncrypted=`).
    SystemdCredential {
        /// Its name in the unit.
        name: String,
    },
    /// What a command writes.
    Command {
        /// Program, by absolute path, and arguments; there is no shell.
        argv: Vec<String>,
        /// The longest that it may run.
        timeout: Duration,
    },
    /// A passphrase that a person types, or another file holds, by Argon2id.
    Passphrase {
        /// The file of salt and cost, which is not secret.
        parameters: PathBuf,
    },
    /// An environment variable; see [`MasterSource::warning`].
    Environment {
        /// The name of the variable.
        variable: String,
    },
}

/// Looks up an environment variable by its name.
pub type LookUp = dyn Fn(&str) -> Option<SecretText> + Send + Sync;

/// What the process was given when it started.
#[derive(Default)]
pub struct Surroundings<'a> {
    /// The directory in `CREDENTIALS_DIRECTORY`, if there is one.
    pub credentials_directory: Option<&'a Path>,
    /// The passphrase, if one was asked for.
    pub passphrase: Option<SecretText>,
    /// Looks up an environment variable.
    pub variable: Option<&'a LookUp>,
}

/// Why a source gave no master keys.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file was refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// A command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The passphrase or its parameters were refused.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The process was not started by systemd with credentials.
    #[error("credential `{name}` is not there: the daemon was not given a directory of credentials")]
    NoCredentials {
        /// The credential.
        name: String,
    },
    /// The name would lead out of the directory of credentials.
    #[error("`{name}` is not the name of a credential")]
    CredentialName {
        /// The name found.
        name: String,
    },
    /// A passphrase is needed and none was given.
    #[error("a passphrase is needed and none was given")]
    NoPassphrase,
    /// The environment variable is not set.
    #[error("environment variable `{variable}` is not set")]
    NoVariable {
        /// The variable.
        variable: String,
    },
    /// The source was read, and holds something else.
    #[error("{origin} does not hold master keys")]
    Keys {
        /// The source, for a person.
        origin: String,
        /// What is wrong with the text.
        source: MasterError,
    },
}

impl SourceError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File(error) => error.code(),
            Self::Command(error) => error.code(),
            Self::Passphrase(error) => error.code(),
            Self::NoCredentials { .. } => "master-no-credentials",
            Self::CredentialName { .. } => "master-credential-name",
            Self::NoPassphrase => "master-no-passphrase",
            Self::NoVariable { .. } => "master-no-variable",
            Self::Keys { .. } => "master-not-keys",
        }
    }

    /// What an operator does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File(error) => error.hint(),
            Self::Command(error) => error.hint(),
            Self::Passphrase(error) => error.hint(),
            Self::NoCredentials { name } | Self::CredentialName { name } => {
                format!("put `LoadCredentialEncrypted={name}:PATH` into the unit and start the service by systemd")
            }
            Self::NoPassphrase => "start the daemon from a terminal, or name another source".to_owned(),
            Self::NoVariable { variable } => format!("set `{variable}`, or better name a file"),
            Self::Keys { .. } => "one key of 32 bytes as base64 a line, newest first, `#` for comments".to_owned(),
        }
    }
}

impl MasterSource {
    /// What an operator should know about this source before using it, if anything.
    pub fn warning(&self) -> Option<&'static str> {
        matches!(self, Self::Environment { .. }).then_some(
            "the master key lies in the environment, where other processes of this user, crash reports and container \
             inspection can see it: prefer a systemd credential or a file of mode 0600",
        )
    }

    /// Reads the master keys. Runs a command at most for its time-out; a passphrase takes about a second.
    pub async fn read(&self, surroundings: &Surroundings<'_>) -> Result<MasterKeys, SourceError> {
        let text = match self {
            Self::File { path } => {
                let path = path.clone();
                blocking(move || read_private(&path)).await?
            }
            Self::SystemdCredential { name } => {
                let path = credential(surroundings.credentials_directory, name)?;
                blocking(move || private_file::read(&path, Readers::OwnerAndGroup)).await?
            }
            Self::Command { argv, timeout } => command::run(argv, *timeout).await?,
            Self::Passphrase { parameters } => {
                let passphrase = surroundings.passphrase.clone().ok_or(SourceError::NoPassphrase)?;
                let path = parameters.clone();
                return blocking(move || Ok(PassphraseParameters::parse(&read_private(&path)?)?.derive(&passphrase)?))
                    .await;
            }
            Self::Environment { variable } => {
                let found = surroundings.variable.and_then(|look_up| look_up(variable));
                let found = found.ok_or_else(|| SourceError::NoVariable { variable: variable.clone() })?;
                Zeroizing::new(found.expose().to_owned())
            }
        };
        MasterKeys::parse(&text).map_err(|source| SourceError::Keys { origin: self.origin(), source })
    }

    fn origin(&self) -> String {
        match self {
            Self::File { path } => format!("file `{}`", path.display()),
            Self::SystemdCredential { name } => format!("credential `{name}`"),
            Self::Command { argv, .. } => format!("the output of `{}`", argv.first().map_or("", String::as_str)),
            Self::Passphrase { .. } => "the passphrase".to_owned(),
            Self::Environment { variable } => format!("environment variable `{variable}`"),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("reading keys does not panic")
}

fn credential(directory: Option<&Path>, name: &str) -> Result<PathBuf, SourceError> {
    let is_name = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    match directory {
        _ if !is_name => Err(SourceError::CredentialName { name: name.to_owned() }),
        None => Err(SourceError::NoCredentials { name: name.to_owned() }),
        Some(directory) => Ok(directory.join(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Seeded;
    use super::super::{Existing, write_private};
    use super::*;

    struct World {
        directory: tempfile::TempDir,
        keys: MasterKeys,
    }

    impl World {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let keys = MasterKeys::generate(&Seeded::new(1));
            let path = directory.path().join("master");
            write_private(&path, &keys.to_text(), Existing::Refuse, &Seeded::new(2)).expect("written");
            Self { directory, keys }
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("master")
        }

        async fn finds(&self, source: MasterSource, surroundings: Surroundings<'_>) -> bool {
            let found = source.read(&surroundings).await.expect("readable");
            found.newest_id() == self.keys.newest_id()
        }
    }

    #[tokio::test]
    async fn every_source_gives_the_same_keys() {
        let world = World::new();
        let text = world.keys.to_text();
        let variable = move |name: &str| (name == "MASTER").then(|| SecretText::new(text.to_string()));
        let argv = vec!["/bin/cat".to_owned(), world.path().display().to_string()];
        let given = || Surroundings {
            credentials_directory: Some(world.directory.path()),
            passphrase: None,
            variable: Some(&variable),
        };
        for source in [
            MasterSource::File { path: world.path() },
            MasterSource::SystemdCredential { name: "master".into() },
            MasterSource::Command { argv, timeout: Duration::from_secs(10) },
            MasterSource::Environment { variable: "MASTER".into() },
        ] {
            assert_eq!(source.warning().is_some(), matches!(source, MasterSource::Environment { .. }));
            assert!(world.finds(source, given()).await);
        }
    }

    #[tokio::test]
    async fn a_passphrase_reads_its_parameters_from_a_file() {
        let world = World::new();
        let text = PassphraseParameters::generate(&Seeded::new(3)).to_text().replace("262144", "19456");
        let path = world.directory.path().join("passphrase.toml");
        write_private(&path, &text, Existing::Refuse, &Seeded::new(4)).expect("written");
        let source = MasterSource::Passphrase { parameters: path };
        let missing = source.read(&Surroundings::default()).await.expect_err("no passphrase");
        assert_eq!(missing.code(), "master-no-passphrase");
        let read = |phrase: &str| {
            let passphrase = Some(SecretText::new(phrase.to_owned()));
            let source = source.clone();
            async move {
                source
                    .read(&Surroundings { passphrase, ..Surroundings::default() })
                    .await
                    .expect("keys")
                    .newest_id()
                    .clone()
            }
        };
        assert_eq!(read("seventeen letters").await, read("seventeen letters").await);
        assert_ne!(read("seventeen letters").await, read("other characters!").await);
    }

    #[tokio::test]
    async fn a_credential_cannot_lead_out_of_its_directory() {
        let world = World::new();
        let given = Surroundings { credentials_directory: Some(world.directory.path()), ..Surroundings::default() };
        for name in ["", ".", "..", "../master", "/etc/hostname"] {
            let error = MasterSource::SystemdCredential { name: name.into() }.read(&given).await.expect_err("refused");
            assert_eq!(error.code(), "master-credential-name", "{name}");
        }
        let error = MasterSource::SystemdCredential { name: "master".into() }.read(&Surroundings::default()).await;
        assert_eq!(error.expect_err("no directory").code(), "master-no-credentials");
    }

    #[tokio::test]
    async fn what_is_not_keys_is_told_without_an_echo() {
        let variable = |_: &str| Some(SecretText::new("canary".into()));
        let given = Surroundings { variable: Some(&variable), ..Surroundings::default() };
        let error = MasterSource::Environment { variable: "M".into() }.read(&given).await.expect_err("not keys");
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            ("master-not-keys", "environment variable `M` does not hold master keys")
        );
        assert!(!format!("{error:?}").contains("canary"));
        let unset = MasterSource::Environment { variable: "M".into() }.read(&Surroundings::default()).await;
        assert_eq!(unset.expect_err("unset").code(), "master-no-variable");
    }
}
