//! The PostgreSQL rotator against a real server.

mod alternate;
mod logins;
mod single;
mod waiting;
mod world;
