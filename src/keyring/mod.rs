//! Master keys, tenant roots, record keys: the only code that sees a raw key.
//!
//! A master key comes from outside the store and wraps one random root per tenant and generation; each sealed
//! column, row MAC and keyed hash has a key derived from a root and all that names its place, so that a token moved
//! elsewhere does not open. It stores nothing, asks no clock and takes no IV from a caller. Keys are wiped here, not
//! in what the ciphers keep while they run. A crash loses no key if a new master is in its file before it wraps, and
//! a wrapped root in the store before it is added to the [`Keyring`].

mod command;
mod derive;
mod envelope;
mod error;
mod held;
mod mac;
mod master;
mod passphrase;
mod private_file;
mod root;
mod rotate;
mod seal;
mod source;
#[cfg(test)]
mod tests;
mod token;

pub use command::CommandError;
pub use envelope::Opened;
pub use error::KeyringError;
pub use held::Keyring;
pub use mac::MacInput;
pub use master::{MasterError, MasterId, MasterKeys};
pub use passphrase::{PassphraseError, PassphraseParameters};
pub use private_file::{Existing, FileError, read_private, write_private};
pub use root::{Root, WrappedRoot};
pub use rotate::{masters_in_use, next_generation, rewrap};
pub use seal::{Place, Sealed};
pub use source::{LookUp, MasterSource, SourceError, Surroundings};
