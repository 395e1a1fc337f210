//! Tests of the saga: every pair of status and event, stored forms, and a small world in which an abstract target, dead
//! attempts, crashes and operators do what they can.

#![allow(clippy::unit_arg, clippy::cloned_ref_to_slice_refs, reason = "steps of a small world read as expressions")]

mod choice;
mod exhaustive;
mod golden;
mod random;
mod retried;
mod samples;
mod target;
mod total;
mod world;
