//! What other machines are let in by: the tokens of those who ask, and the certificate that the listener shows.

pub mod listener;
pub mod tokens;
mod uses;

pub(in crate::engine) use uses::Uses;
