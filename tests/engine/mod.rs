//! The engine on a real store, with doubles as targets.

mod asking;
mod rotation;
mod world;
