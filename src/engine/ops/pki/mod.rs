//! Authorities and certificates, as they are asked for.

pub mod accounts;
pub mod authorities;
pub mod certificates;
pub mod crl;
pub mod issue;
mod key;
mod record;
pub mod rollover;
pub mod scan;
pub mod view;

pub use accounts::ACME;
pub use key::{AUTHORITY, Ready};
pub(in crate::engine) use record::CERTIFICATE;
