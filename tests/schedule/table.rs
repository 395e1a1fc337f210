//! Proof 28: thousands of generated cron rules, from moments at which calendars and clocks go wrong.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use keywheel::schedule::{DueContext, Schedule, occurrences_between};
use serde_json::{Value, json};

use super::random::Random;
use super::reference::{Reference, grouped, instant, instants, is_deep, report};

const SEED: u64 = 28;
const HORIZON_DAYS: i64 = 3_300;
const COUNT: usize = 4;

/// Ends of months and years, 29 February, the leap second of 2016, the end of 32-bit time, years without 29 February.
const MOMENTS: [&str; 14] = [
    "2016-12-31T23:59:59Z",
    "2024-02-28T23:59:59Z",
    "2024-02-29T00:00:00Z",
    "2025-02-28T12:00:00Z",
    "2026-01-31T00:00:00Z",
    "2027-03-27T12:00:00Z",
    "2027-10-30T12:00:00Z",
    "2028-02-29T23:59:59Z",
    "2037-12-31T23:59:59Z",
    "2038-01-19T03:14:06Z",
    "2038-01-19T03:14:07Z",
    "2038-01-19T03:14:08Z",
    "2096-02-29T00:00:00Z",
    "2099-12-31T23:59:59Z",
];
const ZONES: [&str; 6] =
    ["UTC", "Asia/Kathmandu", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"];

/// A rule, where it is kept and from when it is asked.
struct Case {
    cron: String,
    zone: &'static str,
    after: DateTime<Utc>,
}

impl Case {
    fn generate(random: &mut Random) -> Self {
        let after = if random.percent(50) {
            random.pick(&MOMENTS).parse().expect("a time")
        } else {
            instant(random.between(1_704_067_200, 2_208_988_800))
        };
        // Beyond 2037 the two sides expand a zone's rules by different means; beyond 2090 only UTC is asked.
        let is_far = after > instant(3_786_912_000);
        let zone = if is_far { "UTC" } else { random.pick(&ZONES) };
        Self { cron: cron(random), zone, after }
    }

    fn request(&self) -> Value {
        let until = self.until().timestamp();
        json!({
            "kind": "table", "zone": self.zone, "cron": self.cron, "after": self.after.timestamp(),
            "until": until, "count": COUNT,
        })
    }

    fn until(&self) -> DateTime<Utc> {
        self.after + TimeDelta::days(HORIZON_DAYS)
    }

    fn answer(&self) -> Vec<DateTime<Utc>> {
        let has_seconds = self.cron.split(' ').count() == 6;
        let json = json!({ "cron": self.cron, "timezone": self.zone, "seconds": has_seconds });
        let schedule: Schedule = serde_json::from_value(json).unwrap_or_else(|error| panic!("{}: {error}", self.cron));
        let cx = DueContext {
            after: self.after,
            now: self.after,
            secret_id: "sec",
            lifetime: None,
            expiry_margin: Duration::ZERO,
        };
        occurrences_between(&schedule.compile(), &cx, self.after, self.until(), COUNT)
    }
}

fn cron(random: &mut Random) -> String {
    let (is_hourly, minute) = minute(random);
    let hour = hour(random, is_hourly);
    let month = month(random);
    let (day, weekday) = days(random);
    let text = format!("{minute} {hour} {day} {month} {weekday}");
    if random.percent(15) {
        let (first, second) = (random.between(0, 30), random.between(31, 59));
        return if random.percent(50) { format!("{first},{second} {text}") } else { format!("{second} {text}") };
    }
    text
}

/// The minutes, and whether they are so many that the hours should be few.
fn minute(random: &mut Random) -> (bool, String) {
    match random.between(0, 9) {
        0 => (true, "*".to_owned()),
        1 => (true, format!("*/{}", random.between(1, 59))),
        2 => (true, format!("{}-{}", random.between(0, 29), random.between(30, 59))),
        3 => (false, format!("{}-{}/{}", random.between(0, 29), random.between(30, 59), random.between(5, 30))),
        4 => (false, format!("{},{}", random.between(0, 59), random.between(0, 59))),
        _ => (false, random.between(0, 59).to_string()),
    }
}

fn hour(random: &mut Random, is_hourly: bool) -> String {
    match random.between(if is_hourly { 5 } else { 0 }, 9) {
        0 => "*".to_owned(),
        1 => format!("*/{}", random.between(1, 23)),
        2 => format!("{}-{}", random.between(0, 11), random.between(12, 23)),
        3 => format!("{}-{}/{}", random.between(0, 11), random.between(12, 23), random.between(1, 6)),
        4 => format!("{},{},{}", random.between(0, 23), random.between(0, 23), random.between(0, 23)),
        5 | 6 => random.between(0, 4).to_string(),
        _ => random.between(0, 23).to_string(),
    }
}

fn month(random: &mut Random) -> String {
    const NAMES: [&str; 12] = ["JAN", "feb", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "Dec"];
    match random.between(0, 9) {
        0 => "2".to_owned(),
        1 => (*random.pick(&NAMES)).to_owned(),
        2 => format!("{},{}", random.between(1, 12), random.between(1, 12)),
        3 => format!("*/{}", random.between(1, 6)),
        4 => format!("{}-{}", random.between(1, 6), random.between(7, 12)),
        _ => "*".to_owned(),
    }
}

fn days(random: &mut Random) -> (String, String) {
    match random.between(0, 9) {
        0 | 1 => ("*".to_owned(), "*".to_owned()),
        2..=4 => (day_of_month(random), "*".to_owned()),
        5 | 6 => ("*".to_owned(), weekday(random)),
        7 => ("?".to_owned(), weekday(random)),
        _ => (day_of_month(random), weekday(random)),
    }
}

fn day_of_month(random: &mut Random) -> String {
    match random.between(0, 9) {
        0 => "L".to_owned(),
        1 => "LW".to_owned(),
        2 => format!("{}W", random.between(1, 31)),
        3 => (*random.pick(&["29", "30", "31"])).to_owned(),
        4 => format!("{},L", random.between(1, 28)),
        5 => format!("{}-{}", random.between(1, 15), random.between(16, 31)),
        6 => format!("*/{}", random.between(2, 15)),
        _ => random.between(1, 31).to_string(),
    }
}

fn weekday(random: &mut Random) -> String {
    const NAMES: [&str; 7] = ["SUN", "MON", "TUE", "wed", "THU", "FRI", "SAT"];
    match random.between(0, 7) {
        0 => format!("{}#{}", random.pick(&NAMES), random.between(1, 5)),
        1 => format!("{}L", random.between(0, 7)),
        2 => (*random.pick(&["MON-FRI", "FRI-SUN", "SUN-TUE", "5-7", "1-5/2"])).to_owned(),
        3 => format!("{},{}", random.between(0, 7), random.pick(&NAMES)),
        4 => format!("*/{}", random.between(2, 6)),
        5 => random.between(0, 7).to_string(),
        _ => (*random.pick(&NAMES)).to_owned(),
    }
}

#[test]
fn generated_rules_fire_when_the_reference_says() {
    let since = Instant::now();
    let mut random = Random::seeded(SEED);
    let count = if is_deep() { 50_000 } else { 5_000 };
    let cases: Vec<Case> = (0..count).map(|_| Case::generate(&mut random)).collect();
    let requests: Vec<Value> = cases.iter().map(Case::request).collect();
    let mut reference = Reference::start(&requests);
    let (mut fires, mut silent, mut wrong) = (0, 0, Vec::new());
    for case in &cases {
        let expected = instants(&reference.next()["fires"]);
        let found = case.answer();
        fires += expected.len();
        silent += usize::from(expected.is_empty());
        if found != expected {
            wrong.push(format!(
                "`{}` in {} after {}: found {found:?}, expected {expected:?}",
                case.cron, case.zone, case.after
            ));
        }
    }
    let (rules, fires) = (grouped(cases.len()), grouped(fires));
    let text = format!("{rules} rules of seed {SEED}, {fires} fires, {silent} without any, {} wrong", wrong.len());
    report(28, &text, since);
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(20)]);
    assert!(silent < cases.len() / 10, "a table of rules that never fire proves little");
}

#[test]
fn a_leap_second_is_no_second_of_its_own() {
    let leap = DateTime::from_timestamp(1_483_228_799, 1_500_000_000).expect("23:59:60.5");
    let case = Case { cron: "* 59,0 23,0 * * *".to_owned(), zone: "UTC", after: leap };
    assert_eq!(case.answer().first(), Some(&instant(1_483_228_800)));
}
