//! Proof 27: no fire is lost or doubled where clocks are moved.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use keywheel::schedule::{CompiledSchedule, DueContext, NextDue, Schedule, next_due, occurrences_between};
use serde_json::{Value, json};

use super::reference::{Reference, grouped, instants, is_deep, report};

/// The twelve zones of the proof, then four whose clocks are moved at midnight.
const ZONES: [&str; 16] = [
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Europe/Dublin",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Pacific/Apia",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Antarctica/Troll",
    "Pacific/Chatham",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Santiago",
    "America/Havana",
];
const CRONS: [&str; 11] = [
    "0 * * * *",
    "0 0 * * *",
    "30 2 * * *",
    "*/30 * * * *",
    "0,30 2 * * *",
    "0 2,3 * * *",
    "15 1 * * *",
    "30 0 * * *",
    "0 */2 * * *",
    "30 */12 * * *",
    "*/20 0-4 * * *",
];

/// What the comparison found.
#[derive(Default)]
struct Tally {
    shifts: u64,
    hours: i64,
    fires: usize,
    asked: usize,
    lost: Vec<String>,
    doubled: Vec<String>,
}

#[test]
fn no_fire_is_lost_or_doubled_where_clocks_are_moved() {
    let since = Instant::now();
    let requests: Vec<Value> = ZONES
        .iter()
        .map(|zone| {
            json!({
                "kind": "dst", "zone": zone, "crons": CRONS, "all": is_deep(),
                "from": 1_704_067_200, "until": 2_051_222_400, "around": 108_000,
            })
        })
        .collect();
    let mut reference = Reference::start(&requests);
    let mut tally = Tally::default();
    for zone in ZONES {
        compare(zone, &reference.next(), &mut tally);
    }
    assert!(tally.shifts >= 200, "only {} shifts were found", tally.shifts);
    let text = format!(
        "{} shifts, {} days, {} fires, asked from {} instants: {} lost, {} double",
        tally.shifts,
        grouped(usize::try_from(tally.hours / 24).expect("not negative")),
        grouped(tally.fires),
        grouped(tally.asked),
        tally.lost.len(),
        tally.doubled.len()
    );
    report(27, &text, since);
    assert!(tally.lost.is_empty(), "lost: {:#?}", &tally.lost[..tally.lost.len().min(20)]);
    assert!(tally.doubled.is_empty(), "double: {:#?}", &tally.doubled[..tally.doubled.len().min(20)]);
}

fn compare(zone: &str, answer: &Value, tally: &mut Tally) {
    tally.shifts += answer["shifts"].as_u64().expect("a count");
    let schedules = CRONS.map(|cron| compiled(zone, cron));
    for span in answer["spans"].as_array().expect("spans") {
        let bounds = instants(&json!([span["from"], span["until"]]));
        let (from, until) = (bounds[0], bounds[1]);
        tally.hours += (until - from).num_hours();
        for (index, schedule) in schedules.iter().enumerate() {
            let expected = instants(&span["fires"][index]);
            let cx = context(from);
            let second = TimeDelta::seconds(1);
            let found = occurrences_between(schedule, &cx, from - second, until - second, usize::MAX);
            tally.fires += expected.len();
            let name = |at: &DateTime<Utc>| format!("{zone} `{}` {at}", CRONS[index]);
            tally.lost.extend(expected.iter().filter(|at| found.binary_search(at).is_err()).map(name));
            tally.doubled.extend(found.iter().filter(|at| expected.binary_search(at).is_err()).map(name));
            tally.doubled.extend(found.windows(2).filter(|pair| pair[0] >= pair[1]).map(|pair| name(&pair[1])));
            ask_from_everywhere(schedule, (from, until), &expected, tally);
        }
    }
}

/// Asks for the next fire from many instants, also from inside both passes of a repeated hour.
fn ask_from_everywhere(
    schedule: &CompiledSchedule,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    expected: &[DateTime<Utc>],
    tally: &mut Tally,
) {
    let mut after = from;
    while after < until {
        if let Some(next) = expected.get(expected.partition_point(|at| *at <= after)) {
            tally.asked += 1;
            match next_due(schedule, &context(after)) {
                NextDue::At(due) if due.at == *next => {}
                answer => tally.lost.push(format!("{next} asked from {after}: {answer:?}")),
            }
        }
        after += TimeDelta::seconds(3_467);
    }
}

fn compiled(zone: &str, cron: &str) -> CompiledSchedule {
    let schedule: Schedule = serde_json::from_value(json!({ "cron": cron, "timezone": zone })).expect("a schedule");
    schedule.compile()
}

fn context(after: DateTime<Utc>) -> DueContext<'static> {
    DueContext { after, now: after, secret_id: "sec", lifetime: None, expiry_margin: Duration::ZERO }
}
