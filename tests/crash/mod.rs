//! The daemon is killed, and what it left is judged.

mod each_point;
mod points;
mod sigterm;
mod whole;
