//! Running hooks, and the little that is remembered of them: how long they took, and who was behind at the last look.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use keywheel_contract::RotationId;
use tokio::time::Instant;

use crate::host::{HookError, Hooks};

/// Rotations that are remembered as being behind; more than run at one time.
const MOST_BEHIND: usize = 1024;

/// Hooks with a memory. What is forgotten at a restart costs one look more.
pub(super) struct Reloads {
    hooks: Arc<dyn Hooks>,
    took: Mutex<BTreeMap<String, Duration>>,
    behind: Mutex<BTreeSet<RotationId>>,
}

impl Reloads {
    pub(super) fn new(hooks: Arc<dyn Hooks>) -> Self {
        Self { hooks, took: Mutex::default(), behind: Mutex::default() }
    }

    /// Runs a hook to its end.
    pub(super) async fn run(&self, name: &str) -> Result<(), HookError> {
        let begun = Instant::now();
        let ended = self.hooks.run(name).await;
        self.took.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), begun.elapsed());
        ended
    }

    /// Whether a hook that is run now will end in time, as far as is known: one that is cut short might leave the
    /// service in the middle of something.
    pub(super) fn fits(&self, name: &str, left: Duration) -> bool {
        let took = self.took.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        took.unwrap_or_else(|| self.hooks.limit(name)).saturating_mul(2) <= left
    }

    /// Notes that some endpoint is behind; true if one was at the last look too.
    pub(super) fn is_still_behind(&self, rotation: &RotationId) -> bool {
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        if behind.len() >= MOST_BEHIND {
            behind.clear();
        }
        !behind.insert(rotation.clone())
    }

    /// Forgets a rotation that is behind no more.
    pub(super) fn forget(&self, rotation: &RotationId) {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner).remove(rotation);
    }
}
