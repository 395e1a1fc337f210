//! Progress that must not be lost: what a rotator learned on the way is sealed before it goes on.

use async_trait::async_trait;

use crate::{Failure, Material};

/// Keeps the candidate as it has become. Given to [`Rotator::apply`](crate::Rotator::apply); every other operation
/// gets [`NotKept`].
#[async_trait]
pub trait Checkpoint: Send + Sync {
    /// Seals the candidate as it is now, under its identity as it is now. When this answers, it is durable, and a
    /// repeat of `apply` is given it. Fails with [`Decision::Unknown`](crate::Decision::Unknown), after which the
    /// rotator stops.
    async fn keep(&self, candidate: &Material, identity: &str) -> Result<(), Failure>;
}

/// A checkpoint that keeps nothing, for operations that have no progress to lose.
#[derive(Debug, Clone, Copy)]
pub struct NotKept;

#[async_trait]
impl Checkpoint for NotKept {
    async fn keep(&self, _candidate: &Material, _identity: &str) -> Result<(), Failure> {
        Ok(())
    }
}
