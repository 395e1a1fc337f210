//! Floor 2: channels. What a notice looks like, and one attempt to send it, which ends in an [`Outcome`].
//!
//! Which notices there are, who gets them and what follows from an outcome is the engine's; so is every retry. Invariants:
//! a lost answer is [`Outcome::Unknown`]; a repeat carries the same id; texts stay texts, within the channel's limits; no
//! credential stands in an outcome; a connection goes to an address that was checked. Nothing is written here.

mod address;
mod answer;
mod cef;
mod channel;
mod check;
mod client;
mod email;
mod error;
mod hook;
mod limits;
mod message;
mod pagerduty;
mod render;
mod resolve;
mod settings;
mod sign;
mod slack;
mod syslog;
mod teams;
mod text;
mod tidy;
mod tls;
mod view;
mod webhook;
mod wire;

pub use address::{Cidr, CidrError};
pub use channel::{Channel, Credentials, Outcome, Sending};
pub use check::{Checked, KINDS, Reference, check, open};
pub use error::NotifyError;
pub use limits::Limits;
pub use message::{Class, Item, Message, Severity, State};
pub use resolve::{Resolve, Resolved, SystemResolver};
