//! The daemon is killed, and what it left is judged.

mod canaries;
mod each_point;
pub(crate) mod points;
mod preconditions;
mod sigterm;
mod suspended;
mod under_load;
pub(crate) mod walkers;
mod whole;
