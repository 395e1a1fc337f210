//! Floor 2: rows in and out, a file per aggregate, on SQLite and PostgreSQL.
//! A claim's write begins with [`agenda::hold`], any other with [`agenda::lock`], until its commit.

pub mod agenda;
pub mod alert;
pub mod backup;
pub mod certificate;
mod codec;
mod connect;
pub mod delivery;
mod dialect;
pub mod document;
mod error;
pub mod event;
pub mod idempotency;
mod integrity;
pub mod meta;
mod migrate;
pub mod notices;
pub mod occurrence;
pub mod overview;
mod postgres;
pub mod proof;
pub mod read_audit;
pub mod rotation;
pub mod schedule;
pub mod secret;
pub mod target;
pub mod tenant;
pub mod token;
pub mod tx;
pub mod verify;
pub mod version;
mod wake;
mod writer;

pub use connect::{SqliteOptions, Store};
pub use event::{Event, NewEvent, Written};
pub use {error::StoreError, migrate::LATEST as SCHEMA_VERSION, tx::Tx, wake::Wakes};
