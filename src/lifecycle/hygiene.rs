//! The process's own safety: nobody else reads its memory or what it writes.

use std::io;

use rustix::{
    fs::Mode,
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask},
};

use super::LifecycleError;

/// Forbids core dumps and the reading of memory by processes of the same user, and makes new files private. Called
/// first, before a key is read; a daemon that cannot do this does not start.
pub fn harden() -> Result<(), LifecycleError> {
    umask(Mode::RWXG | Mode::RWXO);
    let refused =
        |what| move |error: rustix::io::Errno| LifecycleError::Unprotected { what, source: io::Error::from(error) };
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(refused("core dumps"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused("reading of its memory"))
}
