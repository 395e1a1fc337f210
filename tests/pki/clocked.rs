//! Values that end by themselves, by a clock that is let on at will: renewed in time whatever the clock does, and tried
//! for often enough where they cannot be renewed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use keywheel::{
    engine::Options,
    model::SecretId,
    store::{rotation, secret},
};
use keywheel_contract::{
    Rotator,
    kit::{FakeRotator, FakeTarget, Fault, FaultRule, Operation, Strategy},
};
use serde_json::json;

use super::lived::Lived;
use crate::{
    engine::still::{Still, calm},
    schedule::{random::Random, reference::instant},
    support::{
        proof::{Proof, count},
        wait::eventually,
    },
};

const BEGIN: i64 = 1_767_225_600;
const MINUTE: u64 = 60;
const DAY: u64 = 86_400;
/// How long values live, in seconds, and the share after which they are renewed.
const LIVES: [(u64, &str); 6] =
    [(10 * MINUTE, "1/2"), (60 * MINUTE, "1/2"), (DAY, "1/2"), (7 * DAY, "1/2"), (90 * DAY, "2/3"), (398 * DAY, "2/3")];
/// As long as the loop may go without a look at the wall clock.
const LONGEST_LOOK_AWAY: Duration = Duration::from_secs(5);
/// As far as a life may begin in the future by a clock that was set back: clocks of clients differ as well.
const BEGINS_SOON: TimeDelta = TimeDelta::minutes(16);

/// How long, in real time, the loop may take to look.
const LOOKED: Duration = Duration::from_secs(30);

/// One value that ends, as it was first seen.
#[derive(Clone, Copy)]
struct Seen {
    number: i64,
    boot: Duration,
}

/// A world of certificates, one for each life.
struct Lives {
    still: Still,
    all: Vec<(String, SecretId, u64)>,
    seen: BTreeMap<String, Seen>,
}

fn name_of(seconds: u64) -> String {
    format!("lives-{seconds}")
}

impl Lives {
    /// Each is issued once, and renewed by itself from then on. As many certificates do, they overlap for an hour.
    async fn begin() -> Result<Self> {
        let lives = LIVES.iter().map(|(seconds, _)| (name_of(*seconds), Duration::from_secs(*seconds))).collect();
        let rotator = move |target: Arc<FakeTarget>| -> Arc<dyn Rotator> {
            Arc::new(Lived::new(Arc::new(FakeRotator { target }), lives))
        };
        let options = Options { tasks: 16, ..calm() };
        let mut still = Still::with(instant(BEGIN), options, FakeTarget::new().forgetting(), rotator).await;
        still.world.birth = ("certificate", Duration::from_hours(1));
        let mut all = Vec::new();
        for (seconds, share) in LIVES {
            let (name, rule) = (name_of(seconds), json!({ "at_lifetime": share }));
            let id = still.world.adopt_on(&name, Strategy::Alternate, Some(rule)).await;
            still.world.request(&id).await;
            all.push((name, id, seconds));
        }
        still.world.start();
        let mut lives = Self { still, all, seen: BTreeMap::new() };
        lives.judge().await?;
        Ok(lives)
    }

    fn now(&self) -> DateTime<Utc> {
        self.still.world.engine.now()
    }

    async fn end_of(&self, id: &SecretId) -> Result<DateTime<Utc>> {
        let world = &self.still.world;
        let mut tx = world.engine.store.read().await?;
        let found = secret::find(&mut tx, world.engine.keyring(), &world.tenant, id).await?.context("a secret")?;
        found.expires_at.context("it ends by itself")
    }

    /// Nothing has ended by the clock, no life begins in its future, and none is over by the time that really passed.
    async fn judge(&mut self) -> Result<()> {
        self.still.quiet().await;
        let (now, boot) = (self.now(), self.still.world.engine.clock.boot());
        for (name, id, seconds) in &self.all {
            let current = self.still.world.current(id).await;
            let (number, born) = (current.number.unwrap_or_default(), current.published_at.context("published")?);
            let seen = self.seen.entry(name.clone()).or_insert(Seen { number, boot });
            if seen.number != number {
                *seen = Seen { number, boot };
            }
            let lived = boot.saturating_sub(seen.boot);
            let end = self.end_of(id).await?;
            ensure!(end > now, "{name} ended at {end}, and it is {now}");
            ensure!(born < now + BEGINS_SOON, "{name} begins at {born}, and it is {now}");
            ensure!(lived.as_secs() < *seconds, "{name} has been in use for {lived:?}");
        }
        Ok(())
    }

    /// Lets time pass from due time to due time.
    async fn pass(&mut self, span: TimeDelta) -> Result<()> {
        let until = self.now() + span;
        loop {
            self.judge().await?;
            let due = self.still.next_due().await.filter(|due| *due < until).unwrap_or(until);
            for (name, id, _) in &self.all {
                let end = self.end_of(id).await?;
                ensure!(due <= end, "{name} ends at {end}, and nothing is done before {due}");
            }
            self.still.jump(due);
            if due == until {
                return self.judge().await;
            }
        }
    }

    /// Sets the clock. Nobody tells the engine.
    async fn step(&mut self, by: TimeDelta) -> Result<()> {
        self.still.clock.step(by);
        self.still.clock.advance(LONGEST_LOOK_AWAY);
        // What is due by the clock as it is now is due for `quiet` too; what begins in its future is seen by the loop alone.
        let (world, all) = (&self.still.world, &self.all);
        let has_begun = async || {
            for (_, id, _) in all {
                let born = world.current(id).await.published_at?;
                (born < world.engine.now() + BEGINS_SOON).then_some(())?;
            }
            Some(())
        };
        eventually(LOOKED, "every life has begun", has_begun).await?;
        self.judge().await
    }
}

/// When the rotations of a secret began, oldest first.
async fn tries(still: &Still, id: &SecretId) -> Result<Vec<DateTime<Utc>>> {
    let world = &still.world;
    let mut tx = world.engine.store.read().await?;
    let mut listed = rotation::list(&mut tx, &world.tenant, Some(id), None, 1_000).await?;
    listed.reverse();
    Ok(listed.into_iter().map(|one| one.started_at).collect())
}

/// A value that cannot be renewed: how often that is tried before its end and for some time after it, and whether it is
/// renewed when it can be.
async fn tries_in_vain((seconds, share): (u64, &'static str), operation: Operation) -> Result<(usize, usize)> {
    let name = name_of(seconds);
    let lives = BTreeMap::from([(name.clone(), Duration::from_secs(seconds))]);
    let rotator = move |target: Arc<FakeTarget>| -> Arc<dyn Rotator> {
        Arc::new(Lived::new(Arc::new(FakeRotator { target }), lives))
    };
    let mut still = Still::with(instant(BEGIN), calm(), FakeTarget::new(), rotator).await;
    still.world.birth = ("certificate", Duration::from_hours(1));
    let id = still.world.adopt_on(&name, Strategy::Alternate, Some(json!({ "at_lifetime": share }))).await;
    still.world.request(&id).await;
    still.world.start();
    still.quiet().await;
    let born = still.world.engine.now();
    let life = TimeDelta::from_std(Duration::from_secs(seconds))?;
    still.world.fake.inject(FaultRule::next(operation, Fault::Transient).forever().at_account(&name));
    let after = life.min(TimeDelta::days(3));
    still.pass(born + life + after).await;
    still.quiet().await;
    let all = tries(&still, &id).await?;
    let before = all.iter().filter(|at| **at > born && **at < born + life).count();
    ensure!(still.world.current(&id).await.number == Some(2), "{name} was renewed");
    still.world.fake.heal();
    let soon = still.world.engine.now() + (after / 8).max(TimeDelta::seconds(5)) + TimeDelta::minutes(5);
    still.pass(soon).await;
    still.quiet().await;
    ensure!(still.world.current(&id).await.number.is_some_and(|number| number > 2), "{name} is not renewed");
    still.world.stop().await;
    Ok((before, all.len() - before - 1))
}

mod proofs {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn steps_of_a_day_leave_nothing_past_its_end_and_nothing_that_has_not_begun() -> Result<()> {
        let rounds = count(6, 60);
        let proof = Proof::begin("certificates: clock", "steps of a day");
        let mut random = Random::seeded(proof.seed());
        let mut lives = Lives::begin().await?;
        for _ in 0..rounds {
            let first = if random.percent(50) { TimeDelta::days(1) } else { TimeDelta::days(-1) };
            for by in [first, -first] {
                lives.pass(TimeDelta::seconds(random.between(1, 5_000))).await?;
                lives.step(by).await?;
            }
        }
        lives.pass(TimeDelta::hours(2)).await?;
        lives.still.world.stop().await;
        proof.end(rounds * 2, rounds * 2)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whatever_cannot_be_renewed_is_tried_for_eight_times_before_it_ends_and_goes_on_after() -> Result<()> {
        let proof = Proof::begin("certificates: tries", "lives with eight tries or more before their end");
        let mut lives = 0;
        // A rotation that fails at the target makes five attempts: the short lives are tight, the long ones take time.
        for (operation, tried) in [(Operation::Prepare, &LIVES[..]), (Operation::Apply, &LIVES[..3])] {
            for life in tried.iter().copied() {
                let (before, after) = tries_in_vain(life, operation).await?;
                proof.figure(&format!("{before} tries before the end of {} s, {after} after it", life.0))?;
                ensure!(before >= 8 && after >= 8, "{before} and {after} tries for a life of {} s", life.0);
                lives += 1;
            }
        }
        proof.end(lives, 9)
    }
}
