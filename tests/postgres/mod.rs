//! The PostgreSQL rotator against a real server.

mod logins;
mod single;
mod waiting;
mod world;
