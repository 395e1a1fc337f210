//! Floor 2: channels. What a notice looks like, and one attempt to send it.
//!
//! A [`Message`] holds everything a channel needs and no secret value; a [`Channel`] renders it and makes one attempt
//! within a time limit, which ends in an [`Outcome`]. Deliberately not here: which notices there are, who gets them,
//! when an attempt is made and what follows from its outcome. That is the engine's, and so is every retry.
//!
//! Invariants: a lost answer is [`Outcome::Unknown`], never a failure; whatever is sent again carries the same id;
//! texts of a message end up as text (one line, escaped, cut to the channel's limits and saying so); no credential
//! stands in an outcome. An address is checked after it was resolved, and the connection goes to that address.
//! Nothing is written here, so a crash leaves nothing behind but, perhaps, a message that is sent again.

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
