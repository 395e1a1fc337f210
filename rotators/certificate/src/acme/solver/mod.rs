//! How an authority is shown that a name is ours: http-01 (RFC 8555, section 8.3), dns-01 (section 8.4) and
//! tls-alpn-01 (RFC 8737).

mod http01;
mod listeners;
mod proof;

pub use http01::Http01Listener;
pub use listeners::Listeners;
pub use proof::{Challenge, Presented, Proof, Solver};
