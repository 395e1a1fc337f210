//! Proof 30: missed fires are made up or skipped as the policy says, and are counted.

use std::time::{Duration, Instant};

use keywheel::schedule::{DueContext, NextDue, Schedule, missed, next_due};
use serde_json::{Value, json};

use super::random::Random;
use super::reference::{Reference, instant, is_deep, report};

const SEED: u64 = 30;
const QUARTER: i64 = 900;
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"];
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
/// As text, and as the reference takes it: weekdays with Sunday as 0, opening and closing minute.
const WINDOWS: [(&str, &[i64], i64, i64); 4] = [
    ("SAT,SUN 02:00-05:00", &[0, 6], 120, 300),
    ("22:00-04:00", &[0, 1, 2, 3, 4, 5, 6], 1_320, 240),
    ("WED 01:30-02:45", &[3], 90, 165),
    ("MON-FRI 12:00-12:15", &[1, 2, 3, 4, 5], 720, 735),
];

/// A schedule that was left alone from `after` to `now`.
struct Case {
    schedule: Value,
    request: Value,
    after: i64,
    now: i64,
    is_skipping: bool,
}

impl Case {
    fn generate(random: &mut Random, is_skipping: bool) -> Self {
        let zone = *random.pick(&ZONES);
        let after = random.between(1_893_456, 1_924_992) * 1_000 / QUARTER * QUARTER;
        let longest = *random.pick(&[2 * 86_400, 10 * 86_400, 40 * 86_400]);
        let mut now = after + random.between(0, longest) / QUARTER * QUARTER + random.between(0, 599);
        let policy = if is_skipping { "skip" } else { "run-once" };
        let mut schedule = json!({ "timezone": zone, "missed": policy });
        let mut request = json!({
            "kind": "missed", "zone": zone, "after": after, "skip": is_skipping,
            "cron": null, "every": null, "window": null,
        });
        if random.percent(60) {
            let cron = *random.pick(&CRONS);
            schedule["cron"] = json!(cron);
            request["cron"] = json!(cron);
        } else {
            let every = random.between(1, 300) * QUARTER;
            schedule["every"] = json!(format!("{every}s"));
            request["every"] = json!(every);
            if random.percent(50) {
                // So close behind a fire that it may count as on time.
                now = after + (now - after) / every * every + random.between(0, 599);
            }
        }
        request["now"] = json!(now);
        if random.percent(45) {
            let (text, days, opens, closes) = *random.pick(&WINDOWS);
            schedule["window"] = json!(text);
            request["window"] = json!([days, opens, closes]);
        }
        let freezes: Vec<(i64, i64)> = (0..random.between(0, 2))
            .map(|_| {
                let from = after + random.between(-86_400, longest) / QUARTER * QUARTER;
                (from, from + random.between(1, 960) * QUARTER)
            })
            .collect();
        let text = |at: i64| instant(at).to_rfc3339();
        schedule["freeze"] = freezes
            .iter()
            .map(|(from, until)| json!({ "from": text(*from), "until": text(*until), "reason": "audit" }))
            .collect();
        request["freezes"] = json!(freezes);
        Self { schedule, request, after, now, is_skipping }
    }

    /// When the rotation would start, and the row of missed fires, in the form of the reference's answer.
    fn answer(&self) -> Value {
        let schedule: Schedule = serde_json::from_value(self.schedule.clone()).expect("a good schedule");
        let compiled = schedule.compile();
        let (after, now) = (instant(self.after), instant(self.now));
        let cx = DueContext { after, now, secret_id: "sec", lifetime: None, expiry_margin: Duration::ZERO };
        let start = match next_due(&compiled, &cx) {
            NextDue::At(due) => Some(due.at.max(now).timestamp()),
            NextDue::Never(_) => None,
        };
        let row = missed(&compiled, after, now);
        json!({ "start": start, "missed": row.map(|row| json!([row.first.timestamp(), row.last.timestamp(), row.count])) })
    }
}

#[test]
fn missed_fires_are_made_up_or_skipped_as_the_policy_says() {
    let since = Instant::now();
    let mut random = Random::seeded(SEED);
    let count = if is_deep() { 5_000 } else { 300 };
    let cases: Vec<Case> = (0..count).map(|number| Case::generate(&mut random, number % 2 == 1)).collect();
    let requests: Vec<Value> = cases.iter().map(|case| case.request.clone()).collect();
    let mut reference = Reference::start(&requests);
    let (mut with_missed, mut at_once, mut wrong) = ([0; 2], [0; 2], Vec::new());
    for case in &cases {
        let (expected, found) = (reference.next(), case.answer());
        with_missed[usize::from(case.is_skipping)] += usize::from(!expected["missed"].is_null());
        at_once[usize::from(case.is_skipping)] += usize::from(expected["start"] == case.now);
        if found != expected {
            wrong.push(format!("{} {}..{}: found {found}, expected {expected}", case.schedule, case.after, case.now));
        }
    }
    let [run_once, skip] = with_missed;
    let [made_up, on_time] = at_once;
    let text = format!(
        "{count} cases of seed {SEED}, with missed fires run-once {run_once} (at once {made_up}), \
         skip {skip} (at once {on_time}), {} wrong",
        wrong.len()
    );
    report(30, &text, since);
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(10)]);
    assert!(run_once > count / 4 && skip > count / 4 && made_up > on_time, "the cases miss too little: {text}");
}
