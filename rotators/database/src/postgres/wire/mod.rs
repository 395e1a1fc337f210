//! A small client of PostgreSQL's wire protocol, version 3.0: log in, send simple queries, read text rows
//! (<https://www.postgresql.org/docs/current/protocol.html>).
//!
//! It exists beside the drivers because a rotation needs what they hide: whether a password was asked for at all,
//! whether it had been accepted before a later error, whether a change had left this process, and role names with
//! commas in them, which a driver that copies the name into its SCRAM message cannot log in. Every buffer that held
//! a password is wiped. It deliberately has no pool, no prepared statements, no retries, and reads no environment.

mod auth;
mod error;
mod frame;
mod login;
mod session;
mod stream;

pub(crate) use error::{ServerError, WireError};
pub(crate) use login::{Attempt, Login, log_in};
pub(crate) use session::{Row, Session};
pub(crate) use stream::{Address, client_config};
