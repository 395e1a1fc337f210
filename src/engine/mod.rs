//! Floor 3: the only place where things happen.
//!
//! One loop claims due rows of the agenda, one task per claim does what the pure functions say and records what it
//! learned. Every outside call goes through `call.rs`. Nothing is remembered in the process that the store does not
//! know, but for claims and the room in lanes, which end with it.

mod claims;
mod core;
mod counts;
mod lanes;
pub mod ops;
mod room;
mod trouble;

pub use core::{DeliveryRoot, Engine, Hook, Options, Parts, Rotators};
pub use counts::Counts;
pub use room::TellsFull;
pub use trouble::{Kind, Trouble};
