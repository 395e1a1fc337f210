//! The integration tests: the built daemon against real servers, files and faults.

mod house;
mod support;
