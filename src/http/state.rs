//! What handlers are given.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::engine::Engine;

/// Whether the daemon is ready to serve. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether the daemon is ready.
    pub fn set(&self, is_ready: bool) {
        self.0.store(is_ready, Ordering::Release);
    }

    /// Whether the daemon is ready.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Renders the metrics in the OpenMetrics text format.
pub(super) type Scrape = Arc<dyn Fn() -> String + Send + Sync>;

/// What handlers are given. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Whether the daemon is ready.
    pub readiness: Readiness,
    /// Renders the metrics.
    pub scrape: Scrape,
    in_flight: Arc<Mutex<HashSet<String>>>,
}

impl ApiState {
    /// Puts the state together.
    pub fn new(engine: Arc<Engine>, readiness: Readiness, scrape: Scrape) -> Self {
        Self { engine, readiness, scrape, in_flight: Arc::default() }
    }

    /// Marks an idempotency key as being worked on, or answers none if it already is.
    pub(super) fn begin(&self, key: &str) -> Option<InFlight> {
        let mut keys = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(key.to_owned()).then(|| InFlight { keys: Arc::clone(&self.in_flight), key: key.to_owned() })
    }
}

/// An idempotency key that is being worked on; over when dropped.
pub(super) struct InFlight {
    keys: Arc<Mutex<HashSet<String>>>,
    key: String,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
