//! As much DNS (RFC 1035) as ACME needs: addresses of an authority and TXT records by a named server, signed updates.

mod ask;
mod lookup;
mod message;
pub(super) mod tsig;

pub(super) use ask::{over_tcp, random_id};
pub(super) use lookup::{addresses_of, texts, zone_of};
pub(super) use message::{Name, class, header, kind, question, record};
