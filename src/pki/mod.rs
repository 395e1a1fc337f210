//! Floor 1: certificates, on the X.509 library of `rotators/certificate`: what it can read, make, look at and ask for.
//!
//! The only place that names that library outside the composition root. What rotates certificates is not used here.

pub use keywheel_certificate::{acme, probe, x509};
