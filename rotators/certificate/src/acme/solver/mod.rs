//! How an authority is shown that a name is ours: http-01 (RFC 8555, section 8.3), dns-01 (section 8.4) and
//! tls-alpn-01 (RFC 8737).

mod dns01;
mod http01;
mod listeners;
mod program;
mod proof;
mod rfc2136;
mod tls_alpn01;
mod webroot;

pub use dns01::{Dns01, Records, Visible};
pub use http01::Http01Listener;
pub use listeners::Listeners;
pub use program::{DnsProgram, Program};
pub use proof::{Challenge, Presented, Proof, Solver};
pub use rfc2136::{Rfc2136, UpdateSettings};
pub use tls_alpn01::TlsAlpn01;
pub use webroot::Webroot;
