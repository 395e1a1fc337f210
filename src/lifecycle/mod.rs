//! Floor 5: from start to end: the process's own safety, the data directory and its lock, signals, the service
//! supervisor.
//!
//! A crash at any point leaves the lock free (the kernel drops it) and the socket's file behind, which the next start
//! replaces under the lock.

mod data_dir;
mod error;
mod hygiene;
mod lock;
mod running;
mod signals;
mod supervisor;

pub use data_dir::{DataDir, INCOMPLETE};
pub use error::LifecycleError;
pub use hygiene::harden;
pub use lock::DataLock;
pub use running::{Ended, Running, run_engine};
pub use signals::Signals;
pub use supervisor::{ready, stopping, watchdog_every, watchdog_fed};
