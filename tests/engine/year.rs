//! A simulated year: random schedules, crashes, downtimes, requests; its occurrences against `tests/reference/year.py`.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use keywheel::{
    model::{OccurrenceOrigin, SecretId},
    store::{occurrence, schedule, version},
};
use keywheel_contract::kit::{FakeRotator, FakeTarget, Fault, FaultPlan, Strategy};
use serde_json::{Value, json};

use super::{
    still::{Still, calm},
    world::World,
};
use crate::{
    schedule::{
        random::Random,
        reference::{Reference, instant},
    },
    support::proof::{Proof, count},
};

/// Thursday, 1 January 2026, 00:00 UTC.
const BEGIN: i64 = 1_767_225_600;
const YEAR: i64 = 365 * DAY;
const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
const QUARTER: i64 = 900;
pub(super) const ZONES: [&str; 5] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];
const CRONS: [&str; 9] = [
    "0 0 1 * *",
    "30 2 1,15 * *",
    "0 4 1 1,4,7,10 *",
    "15 9 * * MON#1",
    "0 5 L * *",
    "45 1 28-31 3,10 *",
    "0 3 29 2 *",
    "0 */12 10 * *",
    "0 22 15W * *",
];
/// As text, and as the reference takes it: weekdays with Sunday as 0, opening and closing minute.
pub(super) const WINDOWS: [(&str, &[i64], i64, i64); 3] = [
    ("SAT,SUN 02:00-05:00", &[0, 6], 120, 300),
    ("22:00-04:00", &[0, 1, 2, 3, 4, 5, 6], 1_320, 240),
    ("WED 01:30-02:45", &[3], 90, 165),
];

/// A secret's schedule, as the engine and as the reference take it.
struct Plan {
    rule: Value,
    request: Value,
}

impl Plan {
    fn generate(random: &mut Random) -> Self {
        let (zone, is_skipping) = (*random.pick(&ZONES), random.percent(40));
        let mut rule = json!({ "timezone": zone, "missed": if is_skipping { "skip" } else { "run-once" } });
        let mut request = json!({
            "kind": "year", "zone": zone, "skip": is_skipping, "start": BEGIN, "end": BEGIN + YEAR,
            "every": null, "cron": null, "window": null, "jitter": 0, "freezes": [], "requests": [],
        });
        match random.between(1, 100) {
            1..=55 => {
                // Weeks to months, and a few that are days; most of them are due together.
                let longest = if random.percent(3) { 12 } else { 200 };
                let every = random.between(longest / 3, longest) * DAY;
                rule["every"] = json!(format!("{every}s"));
                request["every"] = json!(every);
            }
            56..=96 => {
                let cron = *random.pick(&CRONS);
                rule["cron"] = json!(cron);
                request["cron"] = json!(cron);
            }
            _ => rule["manual"] = json!(true),
        }
        let is_manual = rule.get("manual").is_some();
        if random.percent(25) && !is_manual {
            let (text, days, opens, closes) = *random.pick(&WINDOWS);
            rule["window"] = json!(text);
            request["window"] = json!([days, opens, closes]);
        }
        if random.percent(15) && !is_manual {
            let from = BEGIN + random.between(0, YEAR) / QUARTER * QUARTER;
            let until = from + random.between(1, 21) * DAY;
            let text = |at: i64| instant(at).to_rfc3339();
            rule["freeze"] = json!([{ "from": text(from), "until": text(until), "reason": "audit" }]);
            request["freezes"] = json!([[from, until]]);
        } else if request["window"].is_null() && random.percent(8) && !is_manual {
            let jitter = random.between(1, 9) * 600;
            rule["jitter"] = json!(format!("{jitter}s"));
            request["jitter"] = json!(jitter);
        }
        Self { rule, request }
    }
}

/// What happens to the daemon.
enum Turn {
    /// It is killed when something is due, and begins again after so long.
    Crash { again_after: i64 },
    /// Somebody asks for a rotation of this secret.
    Request { secret: usize },
}

/// When and what, in order. Moments are no multiple of a quarter of an hour, so that nothing is due at them.
fn turns(random: &mut Random, secrets: usize, crashes: i64) -> Vec<(i64, Turn)> {
    let last = i64::try_from(secrets).expect("few") - 1;
    let mut turns = Vec::new();
    for n in 0..crashes {
        let span = YEAR / crashes;
        let at = BEGIN + n * span + random.between(1, span / 4) / QUARTER * QUARTER + 451;
        let longest = if random.percent(20) { 10 * DAY } else { 12 * HOUR };
        turns.push((at, Turn::Crash { again_after: random.between(HOUR, longest).min(span / 2) }));
    }
    for n in 0..60 {
        let at = BEGIN + random.between(1, YEAR - DAY) / QUARTER * QUARTER + 1 + n * 2;
        let secret = usize::try_from(random.between(0, last)).expect("not negative");
        turns.push((at, Turn::Request { secret }));
    }
    turns.sort_by_key(|(at, _)| *at);
    turns
}

fn seconds(at: DateTime<Utc>) -> i64 {
    assert_eq!(at.timestamp_subsec_nanos(), 0, "{at} is no whole second");
    at.timestamp()
}

/// The year under way.
struct Year {
    still: Still,
    ids: Vec<SecretId>,
    plans: Vec<Plan>,
    /// Begin and end of each life, and whether it ended when something was due.
    lives: Vec<(i64, i64, bool)>,
}

impl Year {
    async fn begin(random: &mut Random, secrets: u64) -> Self {
        let plans: Vec<Plan> = (0..secrets).map(|_| Plan::generate(random)).collect();
        let rotator =
            |target| -> std::sync::Arc<dyn keywheel_contract::Rotator> { std::sync::Arc::new(FakeRotator { target }) };
        let still = Still::with(instant(BEGIN), calm(), FakeTarget::new().forgetting(), rotator).await;
        let faults = FaultPlan {
            seed: random.between(0, i64::MAX - 1).unsigned_abs(),
            per_mille: 20,
            faults: vec![Fault::LoseReply],
        };
        still.world.fake.follow(faults);
        let adopted = plans.iter().enumerate().map(|(n, plan)| {
            let strategy = if n % 2 == 0 { Strategy::Single } else { Strategy::Alternate };
            let (world, rule) = (&still.world, plan.rule.clone());
            async move { world.adopt_on(&format!("app-{n}"), strategy, Some(rule)).await }
        });
        let ids = join_all(adopted).await;
        Self { still, ids, plans, lives: Vec::new() }
    }

    async fn live(&mut self, turns: Vec<(i64, Turn)>) {
        self.still.world.start();
        let mut born = BEGIN;
        for (at, turn) in turns {
            if at <= self.still.world.engine.now().timestamp() {
                continue;
            }
            self.still.pass(instant(at)).await;
            match turn {
                Turn::Request { secret } => {
                    self.plans[secret].request["requests"].as_array_mut().expect("a list").push(json!(at));
                    self.still.world.request(&self.ids[secret]).await;
                    self.still.quiet().await;
                }
                Turn::Crash { again_after } => {
                    let died = self.die(at).await;
                    self.lives.push((born, died.0, died.1));
                    born = died.0 + again_after;
                    self.still.jump(instant(born));
                    self.still.world.restart().await;
                    self.still.quiet().await;
                }
            }
        }
        self.still.pass(instant(BEGIN + YEAR)).await;
        self.still.quiet().await;
        self.lives.push((born, BEGIN + YEAR, false));
    }

    /// Kills the engine at the next moment at which something is due, if that comes within a day, while it works.
    async fn die(&mut self, now: i64) -> (i64, bool) {
        let due = self.still.next_due().await.map(seconds).filter(|due| *due < now + DAY);
        let at = due.unwrap_or(now);
        self.still.jump(instant(at));
        if due.is_some() {
            for _ in 0..now % 37 {
                tokio::task::yield_now().await;
            }
        }
        self.still.world.crash().await;
        (at, due.is_some())
    }

    fn requests(&self, found: &[Value]) -> Vec<Value> {
        let of = |((plan, id), found): ((&Plan, &SecretId), &Value)| {
            let mut request = plan.request.clone();
            request["id"] = json!(id.as_str());
            request["published"] = found["published"].clone();
            request["lives"] = json!(self.lives);
            request
        };
        self.plans.iter().zip(&self.ids).zip(found).map(of).collect()
    }
}

/// What happened to a secret, in the form of the reference's answers.
pub(super) async fn history(world: &World, id: &SecretId) -> Value {
    let mut tx = world.engine.store.read().await.expect("a connection");
    let keyring = world.engine.keyring();
    let occurrences = occurrence::list(&mut tx, &world.tenant, id, 10_000).await.expect("readable");
    let versions = version::list(&mut tx, keyring, &world.tenant, id).await.expect("readable");
    let row = schedule::find(&mut tx, keyring, &world.tenant, id).await.expect("readable").expect("a schedule");
    let (mut rows, mut open) = (Vec::new(), Value::Null);
    for one in occurrences {
        let (first, last) = (seconds(one.first_at), seconds(one.last_at));
        match one.end {
            Some(end) => rows.push((one.origin.as_str(), first, last, one.fires, end.as_str())),
            None if one.origin == OccurrenceOrigin::Planned => open = json!([first, last, one.fires]),
            None => panic!("a request is open at the end of the year"),
        }
    }
    rows.sort_unstable();
    let mut published: Vec<i64> =
        versions.iter().filter(|v| v.number > Some(1)).filter_map(|v| v.published_at).map(seconds).collect();
    published.sort_unstable();
    json!({ "rows": rows, "published": published, "open": open, "due": row.next_due_at.map(seconds) })
}

/// Counts of the whole year.
#[derive(Debug, Default)]
struct Sum {
    fires: i64,
    done: u64,
    missed: u64,
    together: u64,
    torn: u64,
}

impl Sum {
    fn add(&mut self, history: &Value, ways: usize) {
        for row in history["rows"].as_array().expect("a list") {
            let fires = row[3].as_i64().expect("a number");
            self.fires += fires;
            self.done += u64::from(row[4] == "done");
            self.missed += u64::from(row[4] == "missed");
            self.together += u64::from(fires > 1);
        }
        self.torn += u64::from(ways > 1);
    }
}

mod proofs {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_year_of_rotations_equals_its_reference() -> anyhow::Result<()> {
        let secrets = count(100, 10_000);
        let proof = Proof::begin("year", "secrets");
        let mut random = Random::seeded(proof.seed());
        let mut year = Year::begin(&mut random, secrets).await;
        let turns = turns(&mut random, year.ids.len(), 100);
        year.live(turns).await;
        assert_eq!(year.lives.len(), 101, "each crash ended a life");
        let histories = join_all(year.ids.iter().map(|id| history(&year.still.world, id))).await;
        let mut reference = Reference::of("year.py", &year.requests(&histories));
        let (mut sum, mut wrong) = (Sum::default(), Vec::new());
        for (n, (id, found)) in year.ids.iter().zip(&histories).enumerate() {
            let answer = reference.next();
            let histories = answer["histories"].as_array().expect("a list");
            sum.add(found, histories.len());
            if !histories.contains(found) {
                wrong.push(format!("{}\nfound    {found}\nexpected {answer}", year.plans[n].rule));
            }
            if !(year.plans[n].rule["manual"] == true || found["due"].as_i64() > Some(BEGIN + YEAR)) {
                wrong.push(format!("{} has no next due time: {found}", year.plans[n].rule));
            }
            assert!(year.still.world.served_logs_in(&format!("app-{n}"), id).await, "app-{n} serves a dead value");
            assert_eq!(year.still.world.fake.accepted(&format!("app-{n}")).len(), 1, "app-{n} has an orphan");
        }
        assert!(
            wrong.is_empty(),
            "{} wrong of {}: {}",
            wrong.len(),
            year.ids.len(),
            wrong[..wrong.len().min(3)].join("\n")
        );
        let enough = sum.done > secrets * 3 && sum.missed > secrets / 20 && sum.together > secrets / 20;
        assert!(enough && sum.torn > 20, "the year is too quiet: {sum:?}");
        year.still.world.stop().await;
        proof.end(secrets, secrets)
    }
}
