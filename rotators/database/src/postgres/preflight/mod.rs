//! What a rotation would do and what stands in the way, found without changing anything at the server.

mod look;
mod promises;
mod report;
mod server;

pub(crate) use look::preflight;
pub(crate) use report::Report;
