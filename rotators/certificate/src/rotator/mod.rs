//! The rotator of certificates: one saga for private authorities and for ACME.
//!
//! A rotation makes a key, has a certificate issued for it, checks it ([`crate::x509`]'s gate), brings both to this
//! host as one new folder, switches the link, asks the service to check its configuration and to reload, and looks at
//! every endpoint until each presents the new leaf with its chain. The way back is the link's: to the folder before.
//!
//! What a crash leaves: before the switch, a folder that nobody reads; after it, a link that the next `apply` finds and
//! goes on from. While an order of ACME runs its address is kept first, so that a certificate is downloaded and not
//! ordered again. A failed check or reload is taken back before it is told.
//!
//! Deliberately without retries and sleeps, and without a list of revoked certificates: who keeps that is the daemon.

mod apply;
mod endpoints;
mod failures;
mod held;
mod job;
mod keeper;
mod obtain;
mod plugin;
mod preflight;
mod probe;
mod reloads;
mod retire;
mod revert;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod verify;

pub use keeper::Host;
pub use obtain::{NOT_ISSUED, Obtain, Wish};
pub use plugin::CertificateRotator;
