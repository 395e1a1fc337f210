//! The store: one suite for both engines, and what only one of them can do wrong.

mod agenda;
mod events;
mod flips;
mod interleaved;
mod migrations;
mod names;
mod postgres;
mod rollback;
mod rows;
mod sqlite;
mod upkeep;
pub(crate) mod world;
