//! The integration tests: the built daemon against real servers, files and faults.
#![allow(clippy::disallowed_methods, reason = "tests wait for real servers, in running time")]

mod access;
mod crash;
mod disk;
mod engine;
mod expiry;
mod house;
mod keyring;
mod network;
mod notify;
mod pki;
mod postgres;
mod replicas;
mod schedule;
mod store;
mod support;
mod surface;
mod told;
