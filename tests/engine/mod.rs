//! The engine on a real store, with doubles as targets.

mod asking;
mod clock;
mod joined;
mod meanwhile;
mod missed;
mod rotation;
mod steps;
mod still;
mod watched;
mod world;
mod year;
