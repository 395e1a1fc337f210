//! Pebble, as the tests of the certificate crate start it.

#[path = "../../rotators/certificate/tests/acme/rig.rs"]
pub(crate) mod rig;
#[path = "../../rotators/certificate/tests/acme/wait.rs"]
pub(crate) mod wait;
