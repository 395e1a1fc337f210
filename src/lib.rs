//! keywheel keeps every credential that has a lifetime alive, valid and replaced in time.

pub mod clock;
pub mod engine;
pub mod keyring;
pub mod model;
pub mod rotation;
pub mod schedule;
pub mod store;
