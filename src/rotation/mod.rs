//! Floor 1: a rotation as pure functions.
//!
//! What may be *recorded* ([`Recorded`]) stands beside what its fold *is* ([`Rotation`], [`Status`]). [`plan`] says
//! what to do next; the engine does just that and records what it learned. Recovery is the same function over a
//! loaded fold: there is no second path. No clock, no randomness and no I/O here, so every interleaving of answers,
//! crashes and takeovers can be tried in a test.
//!
//! Invariants: a rotation that may have touched its target is never discarded before an earlier attempt is known to
//! be unable to act (`settle`) and evidence was seen after that (`probe`); `Published`, `Unwound` and `Resolved` are
//! final; no event of another kind follows them.

mod backoff;
mod decide;
mod event;
mod fold;
mod plan;
mod state;
#[cfg(test)]
mod tests;
mod wire;

pub use backoff::{Backoff, LOOK_AGAIN};
pub use decide::{Evidence, Verdict, decide};
pub use event::{Because, FailureClass, Keep, Planned, Recorded};
pub use fold::{FoldError, fold, transition};
pub use plan::{MAX_ATTEMPTS, MAX_REVERTS, Next, plan};
pub use state::{Candidate, Rotation, Status};
pub use wire::WireError;
