//! The daemon is killed, and what it left is judged.

mod canaries;
mod each_point;
mod keys;
mod master_key;
pub(crate) mod points;
mod preconditions;
mod sigterm;
mod suspended;
mod told;
mod under_load;
pub(crate) mod walkers;
mod whole;
