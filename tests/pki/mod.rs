//! Certificates by the built daemon: issued, installed, seen to be served by nginx, renewed, taken back.

mod authorities;
mod served;
mod world;
