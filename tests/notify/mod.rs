//! Channels against real servers that fail, lie and stall.

mod addresses;
mod chats;
mod conformance;
mod injection;
mod logs;
mod looks;
mod mail;
mod relays;
mod webhook;
mod world;
