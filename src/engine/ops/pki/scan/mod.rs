//! Certificates that live elsewhere: found below scan roots and at endpoints, tracked, missed when they vanish.
//!
//! Looking and writing are apart: a scan looks first, on threads that may block, and then writes what changed, one
//! transaction for each certificate. A crash between two of them leaves what the next scan finds again. Bytes of files
//! are wiped when they were looked at; nothing but facts of certificates leaves `walk`. Not here: the ladder, which
//! warns of what is tracked as of any secret.

mod ask;
mod endpoints;
mod keep;
mod kept;
mod report;
mod walk;

pub use ask::scan;
pub use kept::{again, forget, list};
pub use report::{FoundCertificate, KeptScan, ScanCertificates, ScanReport};
