//! An X.509 library: keys, authorities, certificates, revocation lists, parsing and the gate. Pure: no clock, no I/O.
//!
//! Certificates are made by rcgen, read by x509-parser and judged by rustls-webpki. Time and the randomness of serials
//! are passed in; the randomness of keys is the system's. Not here: OCSP, and any file or socket. No crash matters.

mod authority;
pub mod bundle;
mod certificate;
mod crl;
mod csr;
mod der;
mod facts;
mod gate;
mod issue;
mod key;
mod key_formats;
pub mod limits;
mod material;
mod name;
mod pem;
mod request;
mod rsa_pool;
#[cfg(test)]
mod testing;
mod validity;

pub use authority::{Authority, AuthorityError};
pub use certificate::{Certificate, CertificateError};
pub use crl::{Crl, CrlError, Reason, Revoked};
pub use csr::{CsrError, CsrRules};
pub use facts::Facts;
pub use gate::{GateError, Wanted, gate};
pub use issue::{IssueError, Issued};
pub use key::{KeyError, KeyKind, PrivateKey};
pub use material::StoredError;
pub use name::{NameConstraint, NameError, SubjectName};
pub use request::{AuthorityRequest, LeafRequest, OnClamp, Profile};
pub use rsa_pool::RsaPool;
pub use validity::BACKDATE;
