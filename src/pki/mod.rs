//! Floor 1: certificates, on the X.509 library of `rotators/certificate`: what it can read, make, look at and ask for.
//!
//! The only place that names that library outside the composition root. What rotates certificates is not used here.
//! Beside it, pure: certificates that are found and not made here: what a file may hold, how its place is called, what
//! is wrong with its chain, and what changed since it was last seen.

mod chain;
mod form;
mod inventory;
mod place;

pub use keywheel_certificate::{acme, probe, x509};

pub use chain::problems;
pub use form::{Form, form_of};
pub use inventory::{
    Candidate, FileSeen, Known, Line, Looked, Obstacle, Origin, Seen, Standing, Tracked, Walk, compare,
    compare_endpoint, newer_than,
};
pub use place::{escape, secret_name};
