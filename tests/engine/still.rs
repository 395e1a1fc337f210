//! A world in which time stands still until it is let on: from one due time to the next, however far apart.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use keywheel::{
    clock::{Clock, ManualClock, micros},
    engine::Options,
    store::{
        agenda::{self, Part},
        notices::news,
    },
};
use keywheel_contract::{
    Rotator,
    kit::{FakeRotator, FakeTarget},
};

use super::world::World;
use crate::support::wait::eventually;

/// How long, in real time, the engine may take for what is due at one moment.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long, in real time, until something that is under way is taken to wait for the clock.
const A_LITTLE: Duration = Duration::from_millis(100);

/// The world and its clock.
pub(crate) struct Still {
    pub(crate) world: World,
    pub(crate) clock: Arc<ManualClock>,
}

/// Drift checks off, and no limit that real time would need.
pub(crate) fn calm() -> Options {
    Options { probe_every: None, tasks: 32, ..Options::default() }
}

impl Still {
    pub(crate) async fn at(begin: DateTime<Utc>, options: Options) -> Self {
        Self::with(begin, options, FakeTarget::new(), |fake| Arc::new(FakeRotator { target: fake })).await
    }

    pub(crate) async fn with(
        begin: DateTime<Utc>,
        options: Options,
        fake: FakeTarget,
        rotator: impl FnOnce(Arc<FakeTarget>) -> Arc<dyn Rotator>,
    ) -> Self {
        let clock = Arc::new(ManualClock::at(begin));
        let shared: Arc<dyn Clock> = clock.clone();
        Self { world: World::with(options, shared, fake, rotator).await, clock }
    }

    /// Waits until nothing is due and nobody holds a claim.
    pub(crate) async fn quiet(&self) {
        let quiet = eventually(PATIENCE, "nothing is due and no claim is held", async || self.look().await).await;
        quiet.expect("the engine does what is due");
    }

    async fn look(&self) -> Option<()> {
        let engine = &self.world.engine;
        if !engine.is_idle() {
            return None;
        }
        let mut tx = engine.store.read().await.ok()?;
        let is_told = !news::is_any(&mut tx, &engine.tenant).await.ok()?;
        (is_told && agenda::is_quiet(&mut tx, engine.now()).await.ok()?).then_some(())
    }

    /// The next due time of anything.
    pub(crate) async fn next_due(&self) -> Option<DateTime<Utc>> {
        let engine = &self.world.engine;
        let mut tx = engine.store.read().await.expect("a connection");
        let mut earliest = None;
        for part in [Part::Working, Part::Telling] {
            let due = agenda::find_earliest(&mut tx, part, &[], engine.clock.boot()).await.expect("readable");
            earliest = [earliest, due].into_iter().flatten().min();
        }
        earliest
    }

    /// Lets time pass up to a moment, at once.
    pub(crate) fn jump(&self, to: DateTime<Utc>) {
        let by = u64::try_from(micros(to) - micros(self.clock.now())).unwrap_or(0);
        self.clock.advance(Duration::from_micros(by));
        self.world.engine.wake();
    }

    /// Lets time pass from due time to due time, up to a moment; answers at how many of them something was done.
    pub(crate) async fn pass(&self, until: DateTime<Utc>) -> u64 {
        let mut stops = 0;
        loop {
            self.quiet().await;
            match self.next_due().await.filter(|due| *due <= until) {
                Some(due) => self.jump(due),
                None => break,
            }
            stops += 1;
        }
        self.jump(until);
        stops
    }

    /// Lets time go on until `is_done`: to the next due time where nothing is under way, else by a second, for calls
    /// that are cut off at their deadline.
    pub(crate) async fn push(&self, mut is_done: impl AsyncFnMut() -> bool) {
        let mut pushes = 0;
        loop {
            let quiet = eventually(A_LITTLE, "nothing is due and no claim is held", async || self.look().await).await;
            if quiet.is_ok() {
                if is_done().await {
                    return;
                }
                let due = self.next_due().await.expect("what is not done is due at some time");
                self.jump(due);
            } else {
                self.jump(self.clock.now() + TimeDelta::seconds(1));
            }
            pushes += 1;
            assert!(pushes < 3_000, "it does not come to an end");
        }
    }
}
