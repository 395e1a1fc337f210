//! Floor 2: rows in and out, a file per aggregate, on SQLite and PostgreSQL.
//!
//! One SQL text serves both engines; what must differ stands in `dialect.rs`. An adapter never decides a next
//! state. Every write that belongs to a claim begins with [`agenda::hold`], every other write to a secret with
//! [`agenda::lock`]: both update the agenda row and so hold it until the commit. A crash before the commit leaves
//! nothing, after it everything.

pub mod agenda;
pub mod alert;
pub mod backup;
mod codec;
mod connect;
pub mod delivery;
mod dialect;
mod error;
pub mod event;
pub mod idempotency;
mod integrity;
pub mod meta;
mod migrate;
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
pub mod tx;
pub mod verify;
pub mod version;
mod wake;
mod writer;

pub use connect::{SqliteOptions, Store};
pub use error::StoreError;
pub use event::{Event, NewEvent, Written};
pub use migrate::LATEST as SCHEMA_VERSION;
pub use tx::Tx;
pub use wake::Wakes;
