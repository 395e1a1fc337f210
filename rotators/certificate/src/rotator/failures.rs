//! From what went wrong on this host to what may be concluded.

use keywheel_contract::Failure;

use crate::{
    host::{HookError, HostError},
    x509::StoredError,
};

/// A failure of work on files that changed nothing which anybody reads.
pub(super) fn of_host(error: &HostError) -> Failure {
    let sentence = chain(error);
    let (code, hint) = (error.code(), error.hint());
    match error {
        HostError::NoRoom { .. } | HostError::Io { .. } => Failure::transient(code, sentence, hint),
        HostError::Lost => Failure::unknown(code, sentence, hint),
        HostError::BadVersion(_) | HostError::Live(_) => Failure::refused(code, sentence, hint),
        HostError::UnknownOwner { .. } => Failure::misconfigured("install_root", code, sentence, hint),
        HostError::BadPlace { .. }
        | HostError::RootMissing { .. }
        | HostError::LeadsOut { .. }
        | HostError::Taken { .. }
        | HostError::NotPermitted { .. } => Failure::misconfigured("target.install", code, sentence, hint),
    }
}

/// A failure while the link was being switched: it may lead to either.
pub(super) fn of_switch(error: &HostError) -> Failure {
    match error {
        HostError::Io { .. } | HostError::NoRoom { .. } | HostError::Lost => {
            Failure::unknown(error.code(), chain(error), error.hint())
        }
        _ => of_host(error),
    }
}

/// A hook that did not do its work; the caller has made sure that nothing changed.
pub(super) fn of_hook(code: &'static str, error: &HookError) -> Failure {
    Failure::transient(code, error.to_string(), "run the hook by hand as the daemon's user, and see what it says")
}

/// A value that is no certificate; `key` names it.
pub(super) fn of_stored(key: &str, error: &StoredError) -> Failure {
    Failure::misconfigured(key, error.code(), chain(error), error.hint())
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
