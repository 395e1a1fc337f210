//! Certificates from public authorities by ACME (RFC 8555): accounts, orders, proofs, when to renew. Installs
//! nothing and never decides when to try again. [`Progress`] keeps an order's address before anything is issued, so
//! that a crash downloads what was issued in place of ordering again.

mod account;
mod anchor;
mod authorize;
mod chain;
mod client;
mod dns;
mod due;
mod error;
mod exchange;
mod lent;
pub mod limits;
mod mirror;
mod nonce;
mod obtain;
mod order;
mod pace;
mod preference;
mod problem;
pub mod renewal;
mod renewal_info;
mod retry_after;
mod revoke;
mod settings;
pub mod solver;

pub use account::{Account, Binding, Directory, Registration, StoredAccount};
pub use chain::Chain;
pub use due::Due;
pub use error::{AcmeError, Class, Whose};
pub use lent::Lent;
pub use mirror::Mirror;
pub use obtain::Acme;
pub use order::{OrderRequest, Progress, collect, obtain};
pub use preference::{Obtained, Preference, obtain_from};
pub use renewal_info::{CertificateId, Suggestion, Window, suggested};
pub use revoke::{Reason, revoke};
