//! The engine on a real store, with doubles as targets.

mod asking;
mod clock;
mod joined;
mod missed;
pub(crate) mod notices;
mod rotation;
mod steps;
pub(crate) mod still;
mod watched;
pub(crate) mod world;
mod year;
