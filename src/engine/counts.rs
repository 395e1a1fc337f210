//! What the process counts about itself, for metrics. Starts anew with each process.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

/// The process's counts. Gauges are set by upkeep, the rest grows where it happens.
#[derive(Debug, Default)]
pub struct Counts {
    /// Agenda rows that are due and that nobody holds.
    pub due: AtomicI64,
    /// Alerts that are open.
    pub alerts: AtomicI64,
    /// Claims that this process holds.
    pub claims: AtomicI64,
    /// Secrets that are not deleted.
    pub secrets: AtomicI64,
    /// Writes that the store refused or lost.
    pub store_errors: AtomicU64,
    rotations: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counts {
    /// Counts a rotation that ended.
    pub fn rotation_ended(&self, outcome: &'static str) {
        *self.rotations.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    /// Rotations that ended, by outcome.
    pub fn rotations(&self) -> BTreeMap<&'static str, u64> {
        self.rotations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a write that the store refused or lost.
    pub fn store_failed(&self) {
        self.store_errors.fetch_add(1, Ordering::Relaxed);
    }
}
