//! Several engines on one store of PostgreSQL.

mod many;
mod world;
