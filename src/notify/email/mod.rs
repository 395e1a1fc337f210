//! E-mail: composed by lettre and handed to a relay by SMTP.
//!
//! A mail counts as handed over when the relay has answered the final dot. Before the dot nothing was taken and the
//! attempt may be made again at once, on a new connection; after it a lost answer is [`super::Outcome::Unknown`], and
//! the mail is sent again under the same Message-ID, by which mail programs and relays know it for the same.

mod compose;
mod lines;
mod mail;
mod relay;
mod settings;

pub(super) use mail::{check, open};
