//! The PostgreSQL rotator against a real server.

mod alternate;
mod encrypted;
mod logins;
mod own;
mod single;
mod standby;
mod waiting;
mod world;
