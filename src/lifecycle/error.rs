//! Why the daemon does not start.

use std::{io, path::PathBuf};

use crate::cli::{CliError, Exit};

/// Why the daemon does not start. Nothing has been changed, unless a variant says so.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// The kernel did not take a protection of the process's memory.
    #[error("the process cannot be protected: {what}")]
    Unprotected {
        /// Which protection.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no data directory.
    #[error("the data directory `{path}` does not exist")]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// There is a data directory, but it holds no store.
    #[error("the data directory `{path}` is not initialised: it has no `{file}`")]
    NotInitialised {
        /// The directory.
        path: PathBuf,
        /// What is missing.
        file: &'static str,
    },
    /// `init` was cut short.
    #[error("an earlier `keywheel init` in `{path}` was cut short; no secret was ever kept there")]
    Incomplete {
        /// The directory.
        path: PathBuf,
        /// Files that may be left of it.
        left: Vec<PathBuf>,
    },
    /// `init` would overwrite something.
    #[error("`{path}` exists already")]
    Exists {
        /// What exists.
        path: PathBuf,
    },
    /// The store is initialised already.
    #[error("the store is initialised already")]
    StoreInitialised,
    /// The store has no tenant.
    #[error("the store is not initialised")]
    StoreEmpty,
    /// It is not a directory.
    #[error("`{path}` is not a directory")]
    NotADirectory {
        /// What was found.
        path: PathBuf,
    },
    /// Others can reach it.
    #[error("`{path}` has mode {mode:04o}, so others than its owner can reach it")]
    Mode {
        /// The directory or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits that it should have.
        wanted: u32,
    },
    /// It belongs to somebody else.
    #[error("`{path}` belongs to user {owner}, the daemon runs as user {user}")]
    Owner {
        /// The directory or file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who runs the daemon.
        user: u32,
    },
    /// Another daemon runs on this data directory.
    #[error("another keywheel uses the data directory `{path}`{who}")]
    Locked {
        /// The directory.
        path: PathBuf,
        /// `: process 123`, where it is known.
        who: String,
    },
    /// The operating system refused something.
    #[error("`{path}` cannot be {what}")]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What was tried, as a participle.
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

impl LifecycleError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unprotected { .. } => "process-unprotected",
            Self::Missing { .. } => "data-dir-missing",
            Self::NotInitialised { .. } => "data-dir-not-initialised",
            Self::Incomplete { .. } => "init-incomplete",
            Self::Exists { .. } => "init-exists",
            Self::StoreInitialised => "store-initialised",
            Self::StoreEmpty => "store-empty",
            Self::NotADirectory { .. } => "data-dir-not-a-directory",
            Self::Mode { .. } => "data-dir-mode",
            Self::Owner { .. } => "data-dir-owner",
            Self::Locked { .. } => "data-dir-locked",
            Self::Io { .. } => "data-dir-io",
        }
    }

    /// What an operator does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unprotected { .. } => {
                "see the sandbox's settings: `prctl` and `setrlimit` must be permitted".to_owned()
            }
            Self::Missing { path } | Self::NotInitialised { path, .. } => {
                format!("run `keywheel init --data-dir {}`", path.display())
            }
            Self::Incomplete { left, .. } => {
                let left: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
                format!("run `rm -f {}`, then `keywheel init` again", left.join(" "))
            }
            Self::Exists { .. } => {
                "nothing is overwritten: use what is there by `keywheel serve`, or name another `--data-dir`".to_owned()
            }
            Self::StoreInitialised => {
                "bring the master keys that it was made with, then run `keywheel serve`".to_owned()
            }
            Self::StoreEmpty => "run `keywheel init`".to_owned(),
            Self::NotADirectory { .. } => "name another `--data-dir`".to_owned(),
            Self::Mode { path, wanted, .. } => format!("run `chmod {wanted:o} {}`", path.display()),
            Self::Owner { path, user, .. } => format!("run `chown {user} {}`, or run as its owner", path.display()),
            Self::Locked { .. } => "stop it first, or name another `--data-dir`".to_owned(),
            Self::Io { path, .. } => format!("see `ls -ld {0}`, and `df {0}`", path.display()),
        }
    }
}

impl From<LifecycleError> for CliError {
    fn from(error: LifecycleError) -> Self {
        let told = Self::new(Exit::Failed, error.code(), error.to_string(), error.hint());
        match std::error::Error::source(&error) {
            Some(source) => told.caused_by(source),
            None => told,
        }
    }
}
