//! Handshakes that prove which certificate is served.
//!
//! A handshake here accepts any chain and records it: what is right is for the caller to say, who knows which leaf it
//! looks for. The server must still sign the handshake with the leaf's key, so that a copied certificate proves
//! nothing. Sessions are never resumed, and nothing is sent or read afterwards. A name that has several addresses is
//! several endpoints. Reads are bounded in bytes and in time.

mod address;
mod error;
mod handshake;
mod record;
mod starttls;
#[cfg(test)]
mod tests;

pub use address::{ProbeAddress, StartTls};
pub use error::ProbeError;
pub use handshake::{Presented, Sighting, handshake};
