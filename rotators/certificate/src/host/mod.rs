//! Certificates on this host: folders of versions, one link that is switched, hooks.
//!
//! Below a place, `ROOT/PATH`, stand `versions/<serial>/` with the files of one certificate, and one link,
//! `current -> versions/<serial>`. A version's folder is complete before the link leads to it, so who opens
//! `current` one time and reads below it, or reads `combined.pem` alone, never has a key and a certificate that do
//! not belong together. Two paths through the link, opened one after the other, promise that to nobody.
//!
//! Every write is below a root that the configuration names; the kernel refuses a link that leads out of it
//! (openat2(2), `RESOLVE_BENEATH`). What a crash leaves: a temporary name beginning with `.`, which the next try takes
//! away; never half a folder under its own name, and never a link to nothing. This module deliberately
//! does not know what the files mean, and runs no command itself.

mod error;
mod files;
mod folder;
mod hooks;
mod installer;
mod layout;
mod owner;
mod place;
mod room;
mod root;
#[cfg(test)]
mod switch_tests;
#[cfg(test)]
mod tests;

pub use error::HostError;
pub use files::{Sensitivity, VersionFile, VersionName};
pub use hooks::{HookError, Hooks};
pub use installer::{Installer, Linked, Room};
pub use place::{Place, split_place};
pub use root::{FolderMode, InstallRoot, InstallRules, KeyMode};
