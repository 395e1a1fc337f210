//! The rotator against real TLS servers that read their certificate through the link.

mod acme;
mod back;
mod conformance;
mod forward;
mod hooks;
mod listener;
mod settings;
mod world;
