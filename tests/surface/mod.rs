//! The daemon as a process: how it starts and ends, what its API refuses, and keys that are rotated under a crash.

mod http;
mod keys;
mod start;
