//! ACME against Debian's Pebble and its challenge test server, and against small servers that misbehave.

mod http01;
mod request;
mod rig;
mod wait;
