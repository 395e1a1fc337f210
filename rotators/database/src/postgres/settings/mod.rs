//! The settings of a target and of a secret, read and checked once; what cannot be right is said with its key.

mod read;
mod secret;
mod span;
mod target;

pub(crate) use secret::{PasswordForm, SecretSettings, Strategy, ValidUntil};
pub(crate) use target::{Endpoint, TargetSettings, TlsMode};
