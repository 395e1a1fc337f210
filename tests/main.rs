//! The one integration binary: what needs a database, a socket or a process.

mod postgres;
mod support;
