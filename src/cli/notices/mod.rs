//! The commands about expiry and notices: who is told of what, by which means, and what expires when.

pub(super) mod channel;
pub(super) mod clock;
pub(super) mod expiring;
mod matching;
pub(super) mod notice;
pub(super) mod route;
pub(super) mod silence;
pub(super) mod track;
mod when;
