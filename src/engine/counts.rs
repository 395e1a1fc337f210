//! What the process counts about itself, for metrics. Starts anew with each process.
//!
//! What must be counted in the store is counted when somebody asks, and then not again for a while: an idle daemon
//! with many secrets and no scraper pays nothing.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Engine, Trouble};
use crate::store::{
    agenda,
    notices::send,
    overview::{self, Dates},
};

/// How long what was counted in the store is told again.
const FRESH: Duration = Duration::from_secs(15);

/// The process's counts. Gauges are set by [`Engine::count`], the rest grows where it happens.
#[derive(Debug, Default)]
pub struct Counts {
    counted_at: Mutex<Option<Duration>>,
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
    /// Attempts to deliver a notice.
    pub sends: AtomicU64,
    /// Seconds since the oldest undelivered notice was made; 0 for none.
    pub oldest_send: AtomicI64,
    /// Notices given up by a channel.
    pub dead_letters: AtomicI64,
    /// When things end.
    pub dates: Mutex<Ends>,
}

/// When things end, by the name of the secret; the earliest of each kind, at most 10,000.
#[derive(Debug, Default)]
pub struct Ends {
    /// The current certificates of secrets.
    pub certificates: Dates,
    /// The next renewals of certificates.
    pub renewals: Dates,
    /// What is tracked.
    pub tracked: Dates,
}

impl Counts {
    /// Counts a rotation that ended.
    pub fn rotation_ended(&self, outcome: &'static str) {
        *self.rotations.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    /// Counts an attempt to deliver a notice.
    pub fn send_tried(&self) {
        self.sends.fetch_add(1, Ordering::Relaxed);
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

impl Engine {
    /// Counts in the store what the gauges tell, unless that was done a moment ago.
    pub async fn count(&self) -> Result<(), Trouble> {
        let boot = self.clock.boot();
        {
            let mut counted_at = self.counts.counted_at.lock().unwrap_or_else(PoisonError::into_inner);
            if counted_at.is_some_and(|at| boot < at + FRESH) {
                return Ok(());
            }
            *counted_at = Some(boot);
        }
        let mut tx = self.store.read().await?;
        let found = overview::count(&mut tx, &self.tenant).await?;
        let due = agenda::count_due(&mut tx, self.now()).await?;
        let backlog = send::read_backlog(&mut tx, &self.tenant).await?;
        let ends = Ends {
            certificates: overview::list_ends(&mut tx, &self.tenant).await?,
            renewals: overview::list_renewals(&mut tx, &self.tenant).await?,
            tracked: overview::list_tracked(&mut tx, &self.tenant).await?,
        };
        *self.counts.dates.lock().unwrap_or_else(PoisonError::into_inner) = ends;
        let oldest = backlog.oldest_at.map_or(0, |at| (self.now() - at).num_seconds().max(0));
        self.counts.oldest_send.store(oldest, Ordering::Relaxed);
        self.counts.dead_letters.store(backlog.dead, Ordering::Relaxed);
        let held = i64::try_from(self.claims.count()).unwrap_or(i64::MAX);
        self.counts.due.store(due, Ordering::Relaxed);
        self.counts.alerts.store(found.alerts, Ordering::Relaxed);
        self.counts.secrets.store(found.secrets, Ordering::Relaxed);
        self.counts.claims.store(held, Ordering::Relaxed);
        Ok(())
    }
}
