//! Commands about authorities and certificates.

pub(in crate::cli) mod acme;
pub(in crate::cli) mod ca;
pub(in crate::cli) mod cert;
mod export;
mod inspect;
mod scan;
mod scans;
