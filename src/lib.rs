//! keywheel keeps every credential that has a lifetime alive, valid and replaced in time.

pub mod keyring;
pub mod schedule;
