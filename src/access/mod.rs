//! Floor 1: who may do what, as pure functions.
//!
//! Today that is a bearer token: which text it is ([`bearer`]), which names it may read ([`Pattern`], [`Grant`]), whether
//! it still lives ([`Life`]), and what all this means for one request ([`Verdict`]). Everything that is not granted is
//! denied. Nothing here asks a clock, a store or a source of randomness; a crash leaves nothing behind.

pub mod bearer;
mod grant;
mod life;
mod pattern;
mod verdict;

pub use grant::{Grant, GrantError, MOST_PATTERNS};
pub use life::{LONGEST_LIFE, Life, Standing, USUAL_LIFE};
pub use pattern::{Pattern, PatternError, Span};
pub use verdict::{Act, Denial, Verdict};
