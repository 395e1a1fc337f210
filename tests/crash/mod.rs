//! The daemon is killed, and what it left is judged.

mod whole;
