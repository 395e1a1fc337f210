//! Proof 25: the wall clock is set while the engine runs.

use std::sync::{Arc, Mutex, atomic::AtomicUsize, atomic::Ordering};

use chrono::TimeDelta;
use keywheel::{
    engine::Options,
    model::SecretId,
    store::{occurrence, schedule},
};
use keywheel_contract::{
    Rotator,
    kit::{FakeRotator, FakeTarget, Strategy},
};
use serde_json::json;

use super::{
    still::{Still, calm},
    watched::Watched,
};
use crate::{
    schedule::{random::Random, reference::instant},
    support::proof::{Proof, count},
};

const BEGIN: i64 = 1_767_225_600;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
const TASKS: usize = 4;
/// Seconds by which the clock is set.
const STEPS: [i64; 5] = [1, 60, HOUR, DAY, 10 * 365 * DAY];
/// As long as the loop may go without a look at the wall clock.
const LONGEST_LOOK_AWAY: i64 = 5;

/// Rules whose fires can be counted by hand: they fire at each multiple of `every` seconds, plus `from`.
#[derive(Clone, Copy)]
struct Rule {
    every: i64,
    from: i64,
    text: &'static str,
}

const RULES: [Rule; 3] = [
    Rule { every: HOUR, from: 0, text: "0 * * * *" },
    Rule { every: DAY, from: 9_000, text: "30 2 * * *" },
    Rule { every: 7 * DAY, from: 3 * DAY, text: "0 0 * * SUN" },
];

impl Rule {
    /// Fires after one time, up to another.
    fn fires(self, after: i64, until: i64) -> i64 {
        let before = |at: i64| (at - self.from).div_euclid(self.every);
        before(until) - before(after)
    }
}

/// What is known of a secret at a quiet moment.
#[derive(Clone, Copy)]
struct Known {
    due: i64,
    number: i64,
    fires: i64,
    open: usize,
    counted_from: i64,
}

async fn known(still: &Still, id: &SecretId) -> Known {
    let world = &still.world;
    let mut tx = world.engine.store.read().await.expect("a connection");
    let keyring = world.engine.keyring();
    let row = schedule::find(&mut tx, keyring, &world.tenant, id).await.expect("readable").expect("a schedule");
    let all = occurrence::list(&mut tx, &world.tenant, id, 100_000).await.expect("readable");
    drop(tx);
    Known {
        due: row.next_due_at.expect("every enabled secret has a next due time").timestamp(),
        number: world.current(id).await.number.expect("it was published"),
        fires: all.iter().map(|one| one.fires).sum(),
        open: all.iter().filter(|one| one.end.is_none()).count(),
        counted_from: row.counted_from.timestamp(),
    }
}

/// The world, its secrets with their rules, and the most calls that were under way at once.
struct Clocks {
    still: Still,
    secrets: Vec<(SecretId, Rule)>,
    most: Arc<AtomicUsize>,
    counted: Vec<i64>,
}

impl Clocks {
    async fn begin(secrets: usize) -> Self {
        let options = Options { tasks: TASKS, ..calm() };
        let most = Arc::new(Mutex::new(Arc::default()));
        let seen = Arc::clone(&most);
        let watched = move |target: Arc<FakeTarget>| -> Arc<dyn Rotator> {
            let watched = Watched::new(Arc::new(FakeRotator { target }), false);
            *seen.lock().expect("nobody panics") = watched.most();
            Arc::new(watched)
        };
        let fake = FakeTarget::new().forgetting().with_await_points();
        let mut still = Still::with(instant(BEGIN), options, fake, watched).await;
        let mut made = Vec::new();
        for n in 0..secrets {
            let rule = RULES[n % RULES.len()];
            let text = json!({ "cron": rule.text, "timezone": "UTC" });
            made.push((still.world.adopt_on(&format!("app-{n}"), Strategy::Single, Some(text)).await, rule));
        }
        still.world.start();
        let most = Arc::clone(&most.lock().expect("nobody panics"));
        Self { still, counted: vec![0; made.len()], secrets: made, most }
    }

    async fn all_known(&self) -> Vec<Known> {
        let mut all = Vec::new();
        for (id, _) in &self.secrets {
            all.push(known(&self.still, id).await);
        }
        all
    }

    fn now(&self) -> i64 {
        self.still.world.engine.now().timestamp()
    }

    /// Lets some time pass as it does, then sets the clock, and looks at what came of it.
    async fn step(&mut self, pass: i64, by: i64) {
        self.still.quiet().await;
        let before = self.all_known().await;
        self.still.clock.step(TimeDelta::seconds(by));
        // Nobody tells the engine: it must look at the clock by itself.
        self.still.clock.advance(std::time::Duration::from_secs(LONGEST_LOOK_AWAY.unsigned_abs()));
        self.still.until_looked().await;
        self.still.quiet().await;
        let after = self.all_known().await;
        for n in 0..self.secrets.len() {
            self.judge(n, before[n], after[n], by);
        }
        for _ in 0..pass {
            let (before, next) = (self.all_known().await, self.now() + 600);
            self.still.jump(instant(next));
            self.still.quiet().await;
            let after = self.all_known().await;
            for n in 0..self.secrets.len() {
                self.judge(n, before[n], after[n], 600);
            }
        }
    }

    fn judge(&mut self, n: usize, before: Known, after: Known, by: i64) {
        let (now, rule) = (self.now(), self.secrets[n].1);
        let expected = if before.due <= now { 1 + rule.fires(before.due, now) } else { 0 };
        // A rule is counted up to a bound; what lies beyond is in the same row.
        self.counted[n] += expected.min(10_000);
        assert_eq!(after.fires, self.counted[n], "fires of app-{n} after a step of {by}");
        let rotations = after.number - before.number;
        assert_eq!(rotations, i64::from(expected > 0), "app-{n} was rotated {rotations} times by a step of {by}");
        assert_eq!(after.open, 0, "app-{n} waits, by a step of {by}");
        let wait = after.due - now;
        assert!(wait > 0 && wait <= rule.every + DAY, "app-{n} waits {wait} s after a step of {by}");
        let is_replanned = after.counted_from != before.counted_from && rotations == 0;
        assert!(!is_replanned || by <= -DAY, "app-{n} was planned anew by a step of {by}");
    }
}

impl Still {
    /// Waits until the loop has looked at the clock once more after time was let on.
    async fn until_looked(&self) {
        // The loop waits for its clock, and is woken by it: what is due then is due for `quiet` too, but a plan of the
        // future is not. It is pulled forward before the next round.
        let is_pulled = async || {
            let engine = &self.world.engine;
            let mut tx = engine.store.read().await.ok()?;
            let future = engine.now() + TimeDelta::hours(24);
            let rows = schedule::list(&mut tx, engine.keyring(), &self.world.tenant, "", 10_000).await.ok()?;
            rows.iter().all(|row| row.counted_from <= future).then_some(())
        };
        let limit = std::time::Duration::from_secs(30);
        crate::support::wait::eventually(limit, "no plan is of the future", is_pulled).await.expect("in time");
    }
}

mod proofs {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_clock_that_is_set_loses_no_fire_and_makes_no_burst() -> anyhow::Result<()> {
        let rounds = count(3, 50);
        let proof = Proof::begin("25", "steps of the clock");
        let mut random = Random::seeded(proof.seed());
        let mut clocks = Clocks::begin(12).await;
        let mut steps = 0;
        for _ in 0..rounds {
            for size in STEPS {
                // There and back, in either order, so that the years do not add up.
                let first = if random.percent(50) { size } else { -size };
                for by in [first, -first] {
                    clocks.step(random.between(1, 9), by).await;
                    steps += 1;
                }
            }
        }
        let most = clocks.most.load(Ordering::Acquire);
        assert!((1..=TASKS).contains(&most), "{most} calls at once");
        clocks.still.world.stop().await;
        proof.end(steps, rounds * 10)
    }
}
