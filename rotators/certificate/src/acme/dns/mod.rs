//! As much DNS (RFC 1035) as ACME needs: addresses of an authority and TXT records by a named server, signed updates.

mod ask;
mod lookup;
mod message;

pub(super) use lookup::addresses_of;
