//! The engine on a real store, with doubles as targets.

mod asking;
mod clock;
mod joined;
mod meanwhile;
mod missed;
pub(crate) mod notices;
mod rotation;
mod scans;
mod steps;
pub(crate) mod still;
mod told_year;
mod watched;
pub(crate) mod world;
mod year;
