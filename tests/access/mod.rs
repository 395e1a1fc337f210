//! Bearer tokens: what they open and for how long.

mod https;
mod matrix;
mod refused;
mod revoked;
mod rows;
mod scoped;
mod secrecy;
mod world;
