//! The daemon is killed, and what it left is judged.

mod canaries;
mod each_point;
pub(crate) mod points;
mod preconditions;
mod sigterm;
mod under_load;
mod whole;
