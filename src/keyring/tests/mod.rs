//! The proofs that cross the keyring's files.

mod flips;
mod golden;
mod swap;
mod vectors;
mod world;

pub(in crate::keyring) use world::*;
