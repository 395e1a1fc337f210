//! Floor 3: the only place where things happen.
//!
//! One loop claims due rows of the agenda, one task per claim does what the pure functions say and records it. Nothing
//! is remembered in the process that the store does not know, but claims and the room in lanes, which end with it.

mod admin;
mod alerts;
mod breaker;
mod call;
mod claims;
mod core;
mod counts;
mod deliver;
mod due;
mod files;
mod fire;
mod journal;
mod lanes;
mod later;
mod load;
mod look;
mod notices;
pub mod ops;
mod publish;
mod room;
mod run;
mod runner;
mod start;
mod steps;
mod template;
mod trouble;
mod upkeep;
mod zones;

pub use core::{DeliveryRoot, Engine, Hook, HookFailure, Options, Parts, Rotators};
pub use room::{TellsFull, make_room};
pub use trouble::{Kind, Trouble};
pub use upkeep::{Feed, Upkeep};
pub use {counts::Counts, counts::Ends, deliver::FileSettings, notices::rules};
