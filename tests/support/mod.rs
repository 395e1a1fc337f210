//! Starts what tests need: servers on loopback, in temporary folders, gone with the test process.

pub(crate) mod postgres;
