//! ACME against Debian's Pebble and its challenge test server, against Knot DNS, and through a gateway that misbehaves.

/// What needs these servers is left out by this name.
#[path = "."]
mod pebble {
    mod accounts;
    mod crash;
    mod dns;
    mod gateway;
    mod http01;
    mod knot;
    mod refusals;
    mod renewal;
    mod request;
    mod rig;
    mod rotation;
    mod tls_alpn01;
    mod wait;
}
