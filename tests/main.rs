//! The integration tests: the built daemon against real servers, files and faults.

mod engine;
mod house;
mod keyring;
mod support;
