//! PostgreSQL: a role's password, by one role or by two that take turns.
//!
//! Invariants: before a change is sent, its session is named after the rotation and bounded by the deadline, and the
//! server has said so; a password reaches the server as a verifier; a refusal is told by code, routine and how far
//! the login went, never by text. A crash before the change is sent leaves nothing; after it, a statement that may
//! still wait for a lock, which `settle` ends; nothing is written anywhere else.

mod account;
mod admin;
mod alternate;
mod change;
mod classify;
mod control;
mod fresh;
mod idle;
mod job;
mod knock;
mod md5;
mod preflight;
mod probe;
mod quote;
mod rotator;
mod scram;
mod settings;
mod settle;
mod statements;
mod stored;
mod verify;
mod wire;

pub use rotator::PostgresRotator;
