//! Rotates the passwords of database accounts. One module per kind of server; so far PostgreSQL.
//!
//! Knows the plugin contract alone: not how rotations are stored, scheduled or resumed.

mod postgres;

pub use postgres::PostgresRotator;
