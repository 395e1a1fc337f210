//! X.509 certificates for keywheel: an X.509 library (issue, sign, parse, gate: pure), and what a rotator needs around
//! it: ACME, atomic installation on this host, and handshakes that prove what is served.

pub mod acme;
pub mod host;
pub mod probe;
pub mod rotator;
pub mod x509;
