//! Proof 30 through the engine: fires that passed while it was down are made up or given up, and recorded.

use keywheel::{
    model::{OccurrenceEnd, SecretId},
    store::occurrence,
};
use keywheel_contract::kit::Strategy;
use serde_json::{Value, json};

use super::{
    still::{Still, calm},
    year::{WINDOWS, ZONES, history},
};
use crate::{
    schedule::{
        random::Random,
        reference::{Reference, instant},
    },
    support::proof::{Proof, count},
};

const DAY: i64 = 86_400;
const QUARTER: i64 = 900;
/// When the engine begins: some minutes behind a quarter of an hour.
const NOW: i64 = 1_780_000_200;
const CRONS: [&str; 8] = [
    "0 * * * *",
    "*/30 * * * *",
    "30 2 * * *",
    "0 3 * * SUN",
    "0 0 1 * *",
    "15 9 * * MON-FRI",
    "0 */12 * * *",
    "45 1,2,3 * * *",
];

/// A schedule that was left alone from a time on.
fn case(random: &mut Random, is_skipping: bool) -> (Value, Value) {
    let zone = *random.pick(&ZONES);
    let longest = *random.pick(&[2 * DAY, 10 * DAY, 40 * DAY]);
    let mut start = NOW - random.between(1, longest) / QUARTER * QUARTER;
    let mut rule = json!({ "timezone": zone, "missed": if is_skipping { "skip" } else { "run-once" } });
    let mut request = json!({
        "kind": "year", "zone": zone, "skip": is_skipping, "end": NOW, "every": null, "cron": null, "window": null,
        "jitter": 0, "freezes": [], "requests": [], "lives": [[NOW, NOW, false]],
    });
    if random.percent(60) {
        let cron = *random.pick(&CRONS);
        rule["cron"] = json!(cron);
        request["cron"] = json!(cron);
    } else {
        let every = random.between(1, 300) * QUARTER;
        rule["every"] = json!(format!("{every}s"));
        request["every"] = json!(every);
        if random.percent(50) {
            // So close behind a fire that it may count as on time.
            start = NOW - (NOW - start) / every * every - random.between(0, 599);
        }
    }
    if random.percent(45) {
        let (text, days, opens, closes) = *random.pick(&WINDOWS);
        rule["window"] = json!(text);
        request["window"] = json!([days, opens, closes]);
    }
    if random.percent(30) {
        let from = start + random.between(0, longest) / QUARTER * QUARTER;
        let from = from - from.rem_euclid(QUARTER);
        let until = from + random.between(1, 960) * QUARTER;
        let text = |at: i64| instant(at).to_rfc3339();
        rule["freeze"] = json!([{ "from": text(from), "until": text(until), "reason": "audit" }]);
        request["freezes"] = json!([[from, until]]);
    }
    request["start"] = json!(start);
    (rule, request)
}

/// Every occurrence that was given up says why.
async fn reasons(still: &Still, id: &SecretId) -> u64 {
    let world = &still.world;
    let mut tx = world.engine.store.read().await.expect("a connection");
    let all = occurrence::list(&mut tx, &world.tenant, id, 1_000).await.expect("readable");
    let missed = all.iter().filter(|one| one.end == Some(OccurrenceEnd::Missed));
    missed.map(|one| u64::from(one.why.contains("says to skip") && one.ended_at.is_some())).sum()
}

mod proofs {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn fires_that_passed_are_made_up_or_given_up_as_the_policy_says() -> anyhow::Result<()> {
        let cases = count(300, 3_000);
        let proof = Proof::begin("30", "schedules through the engine");
        let mut random = Random::seeded(proof.seed());
        let mut plans: Vec<(Value, Value)> = (0..cases).map(|n| case(&mut random, n % 2 == 1)).collect();
        plans.sort_by_key(|(_, request)| request["start"].as_i64());
        let mut still = Still::at(instant(NOW - 41 * DAY), calm()).await;
        let mut ids = Vec::new();
        for (n, (rule, request)) in plans.iter().enumerate() {
            still.jump(instant(request["start"].as_i64().expect("a time")));
            ids.push(still.world.adopt_on(&format!("app-{n}"), Strategy::Alternate, Some(rule.clone())).await);
        }
        still.jump(instant(NOW));
        still.world.start();
        still.quiet().await;
        let mut found = Vec::new();
        for (id, (_, request)) in ids.iter().zip(&mut plans) {
            let history = history(&still.world, id).await;
            request["id"] = json!(id.as_str());
            request["published"] = history["published"].clone();
            found.push(history);
        }
        let requests: Vec<Value> = plans.iter().map(|(_, request)| request.clone()).collect();
        let mut reference = Reference::of("year.py", &requests);
        let (mut skipped, mut made_up, mut held, mut wrong) = (0, 0, 0, Vec::new());
        for (n, history) in found.iter().enumerate() {
            let expected = reference.next()["histories"][0].take();
            if *history != expected {
                wrong.push(format!("{}\nfound    {history}\nexpected {expected}", plans[n].1));
            }
            skipped += reasons(&still, &ids[n]).await;
            made_up += u64::from(!history["published"].as_array().is_none_or(Vec::is_empty));
            held += u64::from(!history["open"].is_null());
        }
        assert!(wrong.is_empty(), "{} wrong: {}", wrong.len(), wrong[..wrong.len().min(3)].join("\n"));
        let is_rich = skipped > cases / 5 && made_up > cases / 5 && held > cases / 30;
        assert!(is_rich, "{skipped} were skipped, {made_up} made up, {held} wait for their window");
        still.world.stop().await;
        proof.end(cases, cases)
    }
}
