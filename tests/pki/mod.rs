//! Certificates by the built daemon: issued, installed, seen to be served by nginx, renewed, taken back.

mod authorities;
mod behind;
mod clocked;
pub(crate) mod files;
mod full;
mod killed;
mod killed_public;
mod listener;
mod lived;
mod pair;
mod postgres_tls;
mod public;
mod rollover;
mod scan;
mod served;
mod switched;
mod world;
