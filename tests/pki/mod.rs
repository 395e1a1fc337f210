//! Certificates by the built daemon: issued, installed, seen to be served by nginx, renewed, taken back.

mod authorities;
mod listener;
mod public;
mod rollover;
mod served;
mod world;
