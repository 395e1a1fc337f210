//! What an expiry asks for, as pure functions over data: which warning and when, whether a read is refused, whether
//! the clock may be believed, and a calendar of it all. `now` is passed in; nothing is read, kept or sent.
//! What was told is not known here: the caller keeps it and passes it in.
//! Invariants: no rung is told twice for one expiry date; times are compared as instants, never as days; the same
//! question has the same answer on every replica.

mod action;
mod calendar;
mod error;
mod ladder;
#[cfg(test)]
mod properties;
mod rule;
mod rung;
mod steady;
mod warning;

pub use action::{DateFrom, OnExpiry, ReadQuestion, ReadStanding};
pub use calendar::{CalendarRow, calendar};
pub use error::{LadderError, OnExpiryError};
pub use ladder::{Ladder, MOST_RUNGS, Mode};
pub use rule::{LadderRule, LadderText, Nature};
pub use rung::Rung;
pub use steady::{CONFIRMED_AFTER, Observation, Observed, STEP, Steady};
pub use warning::{PATIENCE, Rotates, Standing, Warning, WarningReason, next_warning};
