//! Commands of the host's owner, by name: to check a service's configuration and to make it reload.

use std::time::Duration;

use async_trait::async_trait;

/// Why a hook did not do its work. Its texts hold no secret: what a command printed is masked by who runs it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// The configuration has no hook of this name.
    #[error("the configuration has no hook `{name}`")]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// The command could not be started; nothing happened.
    #[error("the hook `{name}` could not be started: {because}")]
    NotStarted {
        /// The hook.
        name: String,
        /// What the system said.
        because: String,
    },
    /// The command said no.
    #[error("the hook `{name}` failed ({status}){}{said}", if said.is_empty() { "" } else { ": " })]
    Failed {
        /// The hook.
        name: String,
        /// Its exit status or signal.
        status: String,
        /// The end of what it printed, short and masked.
        said: String,
    },
    /// The command did not end in its time and was ended.
    #[error("the hook `{name}` did not end within {} s", after.as_secs())]
    TimedOut {
        /// The hook.
        name: String,
        /// Its time.
        after: Duration,
    },
}

/// What the rotator may have run on its host: names only, which the daemon's configuration file fills.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Whether the configuration has a hook of this name.
    fn knows(&self, name: &str) -> bool;

    /// How long it may run at most.
    fn limit(&self, name: &str) -> Duration;

    /// Runs it to its end. Bounded by the hook's own time; where the future is dropped, the command and what it
    /// started are ended too, so that no earlier run acts later.
    async fn run(&self, name: &str) -> Result<(), HookError>;
}
