//! Floor 4: the HTTP surface, thin and without rules of its own.
//!
//! A request is checked before it is routed (`path.rs`), its asker is known before its body is read (`asker.rs`), and
//! its handler runs in a task of its own (`serve.rs`): an asker that hangs up cuts nothing short, and a panic is a
//! 500 and no more. Every answer forbids caching; every error is a problem (RFC 9457). Request bodies are never
//! decompressed.

mod act;
mod asker;
mod body;
mod certificate;
mod health;
mod idempotency;
mod json_shape;
mod listen;
pub mod native;
mod page;
mod path;
mod problem;
mod query;
mod router;
mod serve;
mod state;
mod tls;

pub use asker::{Access, Asker, Peer};
pub use body::JsonBody;
pub use listen::{ListenError, Listeners, bind_network, bind_tcp, bind_unix};
pub use page::{Page, PageQuery};
pub use path::{Id, SecretName};
pub use problem::Problem;
pub use query::Query;
pub use router::{api, metrics_only, network, openapi};
pub use serve::serve;
pub use state::{ApiState, Readiness};
pub use {certificate::Keeper, tls::Shown};
