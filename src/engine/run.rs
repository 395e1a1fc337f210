//! The loop: claims due rows while there is room, one task per claim, and sleeps until the next one is due.
//!
//! It is woken when an earlier due time is written or room becomes free, and never sleeps so long that a step of the
//! wall clock or a suspended machine goes unnoticed. A crash leaves claims that end by themselves.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{Engine, runner};
use crate::{
    clock::micros,
    store::{
        StoreError,
        agenda::{self, Ask, Claim},
    },
};

/// How long the loop waits after the store has failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// How long the loop waits when what is due was locked by others.
const AFTER_NOTHING: Duration = Duration::from_millis(50);

/// A step of the wall clock back by more than this, in microseconds, is looked after.
const SET_BACK: i64 = 60_000_000;

/// The most rows that one round claims.
const ROUND: usize = 64;

impl Engine {
    /// Runs until it is asked to stop, or the store can no longer be trusted; then waits until every task has come to a step's border.
    pub async fn run(self: Arc<Self>) {
        // They end with this one, however it ends.
        let mut beside = JoinSet::new();
        beside.spawn(Arc::clone(&self).renew());
        beside.spawn(Arc::clone(&self).listen());
        let mut tasks = JoinSet::new();
        if !self.store.is_shared() {
            self.void_claims_of_earlier_lives().await;
        }
        if let Err(trouble) = self.follow_zone_data().await {
            tracing::warn!(code = %trouble.code, "due times do not follow the time-zone data yet: {trouble}");
        }
        self.pull_plans_from_the_future().await;
        let mut ahead = self.wall_ahead_of_boot();
        let mut stopping = self.stopping.subscribe();
        while !self.is_stopping() && !self.store.is_broken() {
            let was_ahead = std::mem::replace(&mut ahead, self.wall_ahead_of_boot());
            if ahead < was_ahead - SET_BACK {
                self.pull_plans_from_the_future().await;
            }
            while tasks.try_join_next().is_some() {}
            let wait = match self.round(&mut tasks).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(code = error.code(), "{error}");
                    AFTER_TROUBLE
                }
            };
            if wait.is_zero() {
                continue;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.clock.sleep(wait) => {}
                _ = stopping.changed() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
        beside.shutdown().await;
    }

    /// Asks the loop to stop.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether no claim is held.
    pub fn is_idle(&self) -> bool {
        self.claims.is_empty()
    }

    /// By how many microseconds the wall clock is ahead of the time since the machine's start: it changes when the
    /// wall clock is set.
    fn wall_ahead_of_boot(&self) -> i64 {
        micros(self.now()) - i64::try_from(self.clock.boot().as_micros()).unwrap_or(i64::MAX / 2)
    }

    async fn void_claims_of_earlier_lives(&self) {
        let voided = self.store.write(|tx| Box::pin(agenda::void_all_claims(tx))).await;
        match voided {
            Ok(0) => {}
            Ok(n) => tracing::info!(claims = n, "voided the claims of an earlier life"),
            Err(error) => tracing::warn!(code = error.code(), "{error}"),
        }
    }

    /// Claims what is due and there is room for; answers how long to wait.
    async fn round(self: &Arc<Self>, tasks: &mut JoinSet<()>) -> Result<Duration, StoreError> {
        let room = self.lanes.room().min(ROUND);
        if room == 0 {
            return Ok(self.options.longest_sleep);
        }
        let full = self.lanes.full();
        let mut tx = self.store.read().await?;
        let earliest = agenda::find_earliest(&mut tx, &full, self.clock.boot()).await?;
        let others_end = agenda::find_end_of_others(&mut tx, &self.holder).await?;
        drop(tx);
        let wait = earliest.map_or(i64::MAX, |due| micros(due) - micros(self.now()));
        if wait > 0 {
            let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(u64::MAX));
            // What a dead replica left is taken up when its claim ends: nobody tells of that.
            let rescue = others_end.map_or(wait, |end| end.max(AFTER_NOTHING));
            return Ok(wait.min(rescue).min(self.options.longest_sleep));
        }
        let boot = self.clock.boot();
        let claims = self.claim(room).await?;
        if claims.is_empty() {
            return Ok(AFTER_NOTHING);
        }
        let mut too_many = Vec::new();
        for claim in claims {
            if self.lanes.take(&claim.lane) {
                self.claims.take(&claim.subject, claim.fence, boot + self.options.claim);
                tasks.spawn(runner::work(Arc::clone(self), claim));
            } else {
                too_many.push(claim);
            }
        }
        self.put_back(too_many).await?;
        Ok(Duration::ZERO)
    }

    async fn claim(&self, room: usize) -> Result<Vec<Claim>, StoreError> {
        let (holder, length) = (self.holder.clone(), self.options.claim);
        let (now, boot) = (self.now(), self.clock.boot());
        let (rooms, room_per_lane) = (self.lanes.rooms(), self.lanes.per_lane());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let limit = i64::try_from(room).unwrap_or(1);
                    let ask = Ask { holder: &holder, length, now, boot, rooms: &rooms, room_per_lane, limit };
                    agenda::claim_due(tx, &ask).await
                })
            })
            .await
    }

    /// Ends claims of one round: a lane's bound became narrower meanwhile.
    async fn put_back(&self, claims: Vec<Claim>) -> Result<(), StoreError> {
        let Some(fence) = claims.first().map(|claim| claim.fence) else { return Ok(()) };
        let subjects: Vec<String> = claims.into_iter().map(|claim| claim.subject).collect();
        self.store.write(move |tx| Box::pin(async move { agenda::put_back(tx, fence, &subjects).await })).await
    }

    /// Wakes the loop when another replica pulled a due time forward, until it is aborted. The longest sleep is the
    /// net for what is missed while the store is away.
    async fn listen(self: Arc<Self>) {
        loop {
            match self.store.listen().await {
                Ok(None) => return,
                Ok(Some(mut wakes)) => {
                    while wakes.next().await.is_ok() {
                        self.wake();
                    }
                }
                Err(error) => tracing::warn!(code = error.code(), "{error}"),
            }
            self.clock.sleep(AFTER_TROUBLE).await;
        }
    }

    /// Renews the claims of this process until it is aborted.
    async fn renew(self: Arc<Self>) {
        loop {
            self.clock.sleep(self.options.claim / 3).await;
            let subjects = self.claims.subjects();
            if subjects.is_empty() {
                continue;
            }
            let boot = self.clock.boot();
            let (holder, length) = (self.holder.clone(), self.options.claim);
            let renewed = self
                .store
                .write(move |tx| Box::pin(async move { agenda::renew(tx, &holder, length, boot, &subjects).await }))
                .await;
            match renewed {
                Ok(held) => held.iter().for_each(|(subject, fence)| self.claims.renew(subject, *fence, boot + length)),
                Err(error) => tracing::warn!(code = error.code(), "cannot renew claims: {error}"),
            }
        }
    }
}
