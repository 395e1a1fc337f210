//! The settings of a target and of a secret, read and checked at one place; what cannot be right is said with its key.

mod read;
mod secret;
mod span;
mod target;

pub(super) use read::{invalid, nearest};
pub(super) use secret::SecretSettings;
pub(super) use target::TargetSettings;
