//! The engine on a real store, with doubles as targets.

mod rotation;
mod world;
