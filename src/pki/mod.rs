//! Floor 1: certificates that are found and not made here: what a file may hold, where it lies, what is wrong with its
//! chain, and what changed since it was last seen. No I/O and no clock; nothing here sees a private key.

mod chain;
mod form;
mod inventory;
mod place;

pub use chain::problems;
pub use form::{Form, form_of};
pub use inventory::{
    Candidate, FileSeen, Known, Line, Looked, Obstacle, Origin, Seen, Standing, Tracked, Walk, compare,
    compare_endpoint, newer_than,
};
pub use place::{escape, secret_name};
