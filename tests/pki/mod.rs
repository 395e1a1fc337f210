//! Certificates by the built daemon: issued, installed, seen to be served by nginx, renewed, taken back.

mod authorities;
pub(crate) mod files;
mod scan;
mod served;
mod world;
