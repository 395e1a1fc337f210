//! What can go wrong with files on this host, as one of a few kinds that the rotator can act on.

use std::io;

/// Why something on this host was not done. Names paths and never contents.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The text is not `ROOT/PATH`; whoever wrote the setting mends it.
    #[error("`{text}` is not a place to install to: {because}")]
    BadPlace {
        /// The text, shortened.
        text: String,
        /// What is wrong with it.
        because: &'static str,
    },
    /// The name cannot stand for a version's folder.
    #[error("`{0}` cannot be the name of a version's folder")]
    BadVersion(String),
    /// The root's folder is not there; the configuration file or the host is mended.
    #[error("the install root `{root}` cannot be opened at `{path}`")]
    RootMissing {
        /// The root's name.
        root: String,
        /// Its folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A link on the way leads out of the root; the kernel refused it.
    #[error("`{path}` leads out of the install root `{root}`")]
    LeadsOut {
        /// The root's name.
        root: String,
        /// The path below it.
        path: String,
    },
    /// The user or group is not known on this host.
    #[error("the {what} `{name}` is not known on this host")]
    UnknownOwner {
        /// `user` or `group`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something else stands where a link or a folder of this layout belongs.
    #[error("`{path}` is in the way: it is not the {wanted} that belongs there")]
    Taken {
        /// The path.
        path: String,
        /// What belongs there.
        wanted: &'static str,
    },
    /// The daemon may not do this there.
    #[error("not permitted to {doing} `{path}`")]
    NotPermitted {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file system is full, or a limit is reached.
    #[error("no room to {doing} `{path}`: {because}")]
    NoRoom {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: String,
        /// Which limit.
        because: String,
    },
    /// The link leads to this version: it is in use.
    #[error("the version `{0}` is the one that `current` leads to")]
    Live(String),
    /// Any other failure of the system.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The work on files ended without an answer: a defect.
    #[error("the work on files ended without an answer")]
    Lost,
}

impl HostError {
    /// Sorts a failure of the system.
    pub(super) fn io(doing: &'static str, path: impl Into<String>, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let path = path.into();
        match source.kind() {
            PermissionDenied | ReadOnlyFilesystem => Self::NotPermitted { doing, path, source },
            StorageFull | QuotaExceeded | FileTooLarge => Self::NoRoom { doing, path, because: source.to_string() },
            _ => Self::Io { doing, path, source },
        }
    }

    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadPlace { .. } => "install-place-invalid",
            Self::BadVersion(_) => "install-version-invalid",
            Self::RootMissing { .. } => "install-root-missing",
            Self::LeadsOut { .. } => "install-leads-out",
            Self::UnknownOwner { .. } => "install-owner-unknown",
            Self::Taken { .. } => "install-place-taken",
            Self::NotPermitted { .. } => "install-not-permitted",
            Self::NoRoom { .. } => "install-no-room",
            Self::Live(_) => "install-version-live",
            Self::Io { .. } | Self::Lost => "install-failed",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadPlace { .. } => "write the name of an install root and a folder below it, such as `web/shop`",
            Self::BadVersion(_) => "a version is named by its serial in lower-case hexadecimal digits",
            Self::RootMissing { .. } => "make the folder, or correct `path` of this `[[install_root]]`",
            Self::LeadsOut { .. } => "take the link away, or name a folder that lies below the root",
            Self::UnknownOwner { .. } => "make the account, or correct the owner and group of this `[[install_root]]`",
            Self::Taken { .. } => "move it away, or install to another folder",
            Self::NotPermitted { .. } => {
                "let the daemon's user write below the root; to give files to another user it needs CAP_CHOWN"
            }
            Self::NoRoom { .. } => "make room on this file system",
            Self::Live(_) => "nothing to do: a version in use is not removed",
            Self::Io { .. } => "look at the folder and its file system",
            Self::Lost => "report this as a defect",
        }
    }
}
