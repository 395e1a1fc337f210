//! What the integration tests stand on: servers, the daemon as a process, faults, waiting.
#![allow(dead_code, reason = "the harness offers more than the tests of one day use")]

pub(crate) mod acme;
pub(crate) mod daemon;
pub(crate) mod hooks;
pub(crate) mod http;
pub(crate) mod mail;
pub(crate) mod nginx;
pub(crate) mod oracle;
pub(crate) mod postgres;
pub(crate) mod preload;
pub(crate) mod proof;
pub(crate) mod proxy;
pub(crate) mod random;
pub(crate) mod receiver;
pub(crate) mod recording;
pub(crate) mod scene;
pub(crate) mod shared;
pub(crate) mod wait;
pub(crate) mod wire;
