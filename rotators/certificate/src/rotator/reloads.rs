//! Running hooks, and the little that is remembered of them: how long they took, and who was behind at the last look.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use keywheel_contract::RotationId;
use tokio::time::Instant;

use crate::host::{HookError, Hooks};

/// Rotations that are remembered; more than run at one time.
const MOST_REMEMBERED: usize = 1024;

/// Hooks with a memory. What is forgotten at a restart costs one look or one reload more.
pub(super) struct Reloads {
    hooks: Arc<dyn Hooks>,
    took: Mutex<BTreeMap<String, Duration>>,
    behind: Mutex<BTreeSet<RotationId>>,
    told: Mutex<BTreeSet<RotationId>>,
}

impl Reloads {
    pub(super) fn new(hooks: Arc<dyn Hooks>) -> Self {
        Self { hooks, took: Mutex::default(), behind: Mutex::default(), told: Mutex::default() }
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
        !remember(&self.behind, rotation)
    }

    /// Notes that the service was told of this rotation's candidate.
    pub(super) fn note_told(&self, rotation: &RotationId) {
        remember(&self.told, rotation);
    }

    /// Whether it is known that the service was told.
    pub(super) fn is_told(&self, rotation: &RotationId) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).contains(rotation)
    }

    /// Forgets a rotation that works, or is taken back.
    pub(super) fn forget(&self, rotation: &RotationId) {
        for memory in [&self.behind, &self.told] {
            memory.lock().unwrap_or_else(PoisonError::into_inner).remove(rotation);
        }
    }
}

/// True if it is new.
fn remember(memory: &Mutex<BTreeSet<RotationId>>, rotation: &RotationId) -> bool {
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if memory.len() >= MOST_REMEMBERED {
        memory.clear();
    }
    memory.insert(rotation.clone())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use chrono::DateTime;

    use super::*;

    struct Quick;

    #[async_trait]
    impl Hooks for Quick {
        fn knows(&self, _name: &str) -> bool {
            true
        }

        fn limit(&self, _name: &str) -> Duration {
            Duration::from_secs(30)
        }

        async fn run(&self, _name: &str) -> Result<(), HookError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_hook_fits_by_its_limit_until_it_is_known_how_long_it_takes() {
        let reloads = Reloads::new(Arc::new(Quick));
        let left = Duration::from_secs(9);
        assert!(!reloads.fits("reload", left) && reloads.fits("reload", Duration::from_mins(1)));
        reloads.run("reload").await.expect("run");
        assert!(reloads.fits("reload", left) && !reloads.fits("reload", Duration::ZERO));
    }

    #[test]
    fn the_first_look_that_finds_somebody_behind_is_not_the_second() {
        let reloads = Reloads::new(Arc::new(Quick));
        let rotation = RotationId::mint(DateTime::UNIX_EPOCH, [0; 10]);
        assert!(!reloads.is_still_behind(&rotation) && reloads.is_still_behind(&rotation));
        reloads.forget(&rotation);
        assert!(!reloads.is_still_behind(&rotation));
    }
}
