//! The engine on a real store, with doubles as targets.

mod asking;
mod clock;
mod joined;
mod meanwhile;
mod missed;
mod notices;
mod rotation;
mod steps;
mod still;
mod told_year;
mod watched;
mod world;
mod year;
