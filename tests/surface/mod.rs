//! The daemon as a process: how it starts and ends, what its API refuses, keys that are rotated under a crash, and how
//! people are told.

mod http;
mod keys;
mod notices;
mod receiver;
mod refused;
mod start;
