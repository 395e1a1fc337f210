//! The listener that other machines reach: its certificate, its limits, and fetching secrets over it.

mod fetched;
mod limits;
mod secrecy;
mod swapped;
mod waits;
mod world;
