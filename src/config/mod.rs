//! Floor 1: the configuration file, a struct and a file per section.
//!
//! Unknown keys are refused, durations and sizes are texts with units, secrets stand elsewhere and are named here.
//! What the daemon executes, reads or writes on its host is named in this file only.

mod acme;
mod daemon;
mod effective;
mod engine;
mod error;
mod every;
mod file;
mod host;
mod keys;
mod listen;
mod load;
mod log;
mod network;
mod notify;
mod size;
mod store;

pub use acme::Acme;
pub use daemon::Daemon;
pub use effective::{Effective, Origin};
pub use engine::Engine;
pub use error::ConfigError;
pub(crate) use error::did_you_mean;
pub use every::Every;
pub use file::Config;
pub use host::{DeliveryRoot, Hook, InstallRoot, ScanRoot};
pub use keys::{KeySource, Keys};
pub use listen::Listen;
pub use load::{DEFAULT_PATH, Loaded};
pub use log::{Log, LogFormat};
pub use network::Network;
pub use notify::Notify;
pub use size::ByteSize;
pub use store::{Store, StoreKind};
