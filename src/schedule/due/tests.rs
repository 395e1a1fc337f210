//! Tables for `next_due`: each row names the schedule, the facts and the one right answer.

use std::time::Duration;

use super::*;
use crate::schedule::{Lifetime, Schedule};

const CREATED: &str = "2026-06-01T00:00:00Z"; // a Monday
const WINDOW: &str = "window = \"SAT 02:00-05:00\"";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// The answer as `day and time, reason`, for a secret that was published at `CREATED`.
fn due(toml: &str, now: &str, lifetime_days: Option<i64>) -> String {
    let after = at(CREATED);
    let lifetime = lifetime_days.map(|days| Lifetime { starts_at: after, expires_at: after + TimeDelta::days(days) });
    let expiry_margin = Duration::from_hours(24);
    let cx = DueContext { after, now: at(now), secret_id: "sec", lifetime, expiry_margin };
    let schedule: Schedule = toml::from_str(toml).expect(toml);
    match next_due(&schedule.compile(), &cx) {
        NextDue::At(due) => format!("{} {:?}", due.at.format("%m-%dT%H:%M"), due.because),
        NextDue::Never(because) => format!("never {because:?}"),
    }
}

#[test]
fn each_rule_gives_its_next_fire() {
    let table = [
        ("every = \"30d\"", None, "07-01T00:00 Interval"),
        ("cron = \"0 3 * * SUN\"", None, "06-07T03:00 Cron"),
        ("name = \"monthly\"", None, "07-01T00:00 Cron"),
        ("name = \"quarterly\"\ntimezone = \"Europe/Berlin\"", None, "06-30T22:00 Cron"),
        ("at_lifetime = \"2/3\"", Some(90), "07-31T00:00 Lifetime"),
        ("at_lifetime = \"2/3\"", None, "never NoLifetime"),
        ("at_lifetime = \"2/3\"", Some(-1), "never NoLifetime"),
        ("manual = true", None, "never Manual"),
        ("manual = true", Some(90), "never Manual"),
        ("cron = \"0 0 31 2 *\"", None, "never NoOccurrence"),
        ("cron = \"0 0 31 2 *\"", Some(10), "06-10T00:00 Deadline"),
    ];
    for (toml, lifetime, expected) in table {
        assert_eq!(due(toml, CREATED, lifetime), expected, "{toml}");
    }
}

#[test]
fn a_fire_outside_the_window_moves_to_its_next_opening() {
    let table = [
        ("every = \"2d\"", "06-06T02:00 WindowMoved"),
        ("every = \"123h\"", "06-06T03:00 Interval"),
        ("every = \"125h\"", "06-13T02:00 WindowMoved"),
        ("cron = \"0 12 * * *\"", "06-06T02:00 WindowMoved"),
        ("cron = \"30 4 * * SAT\"", "06-06T04:30 Cron"),
    ];
    for (rule, expected) in table {
        assert_eq!(due(&format!("{rule}\n{WINDOW}"), CREATED, None), expected, "{rule}");
    }
}

#[test]
fn a_fire_in_a_freeze_moves_behind_it() {
    let freeze = |from: &str, until: &str| {
        format!("freeze = [{{ from = \"{from}\", until = \"{until}\", reason = \"audit\" }}]")
    };
    let table = [
        (format!("every = \"2d\"\n{}", freeze("2026-06-02", "2026-06-09")), "06-10T00:00 FreezeMoved"),
        (format!("every = \"2d\"\n{}", freeze("2026-06-04", "2026-06-09")), "06-03T00:00 Interval"),
        (format!("every = \"2d\"\n{WINDOW}\n{}", freeze("2026-06-05", "2026-06-09")), "06-13T02:00 FreezeMoved"),
        (format!("every = \"2d\"\n{WINDOW}\n{}", freeze("2026-06-03", "2026-06-04")), "06-06T02:00 WindowMoved"),
        (
            format!("every = \"2d\"\n{WINDOW}\n{}", freeze("2026-06-06T01:00", "2026-06-06T04:00")),
            "06-06T04:00 FreezeMoved",
        ),
        (format!("every = \"2d\"\n{}", freeze("2026-01-01", "2040-01-01")), "never NoAllowedSlot"),
    ];
    for (toml, expected) in table {
        assert_eq!(due(&toml, CREATED, None), expected, "{toml}");
    }
}

#[test]
fn expiry_beats_window_and_freeze() {
    let freeze = "freeze = [{ from = \"2026-06-02\", until = \"2026-07-01\", reason = \"audit\" }]";
    let table = [
        (format!("every = \"2d\"\n{WINDOW}"), 5, "06-05T00:00 ExpiryBeatsWindow"),
        (format!("every = \"2d\"\n{WINDOW}"), 8, "06-06T02:00 WindowMoved"),
        (format!("every = \"2d\"\n{freeze}"), 10, "06-10T00:00 ExpiryBeatsWindow"),
        (format!("every = \"2d\"\n{freeze}"), 40, "07-02T00:00 FreezeMoved"),
        ("every = \"365d\"".to_owned(), 90, "08-29T00:00 Deadline"),
    ];
    for (toml, lifetime, expected) in table {
        assert_eq!(due(&toml, CREATED, Some(lifetime)), expected, "{toml} {lifetime}");
    }
}

#[test]
fn an_earlier_slot_is_taken_rather_than_a_forbidden_moment() {
    // Two thirds of 19 days are Saturday 13 June 16:00; the deadline is Friday 19 June.
    assert_eq!(due(&format!("at_lifetime = \"2/3\"\n{WINDOW}"), CREATED, Some(19)), "06-13T04:00 Deadline");
}

#[test]
fn an_open_window_does_not_rotate_a_short_lived_value_again_and_again() {
    let after = at("2026-06-06T02:10:00Z"); // in the window
    let lifetime = Some(Lifetime { starts_at: after, expires_at: after + TimeDelta::days(5) });
    let schedule: Schedule = toml::from_str(&format!("every = \"2d\"\n{WINDOW}")).expect("a schedule");
    let cx = DueContext { after, now: after, secret_id: "sec", lifetime, expiry_margin: Duration::from_hours(24) };
    let NextDue::At(due) = next_due(&schedule.compile(), &cx) else { panic!("it expires") };
    assert_eq!((due.at, due.because), (after + TimeDelta::days(4), Because::ExpiryBeatsWindow));
}

#[test]
fn an_overdue_expiry_is_due_now_even_outside_the_window() {
    let toml = format!("every = \"2d\"\n{WINDOW}");
    assert_eq!(due(&toml, "2026-06-09T12:00:00Z", Some(7)), "06-09T12:00 ExpiryBeatsWindow");
    assert_eq!(due(&toml, "2026-06-13T03:00:00Z", Some(7)), "06-13T03:00 CaughtUp");
}

#[test]
fn missed_fires_are_made_up_by_one_rotation_or_skipped() {
    let table = [
        ("name = \"daily\"", "2026-06-04T12:00:00Z", "06-04T12:00 CaughtUp", "06-05T00:00 Cron"),
        ("every = \"1d\"", "2026-06-04T12:00:00Z", "06-04T12:00 CaughtUp", "06-05T00:00 Interval"),
        ("name = \"daily\"", "2026-06-02T00:05:00Z", "06-02T00:00 Cron", "06-02T00:00 Cron"),
        ("name = \"daily\"", "2026-06-02T00:05:01Z", "06-02T00:05 CaughtUp", "06-03T00:00 Cron"),
        ("name = \"daily\"", "2026-06-04T00:03:00Z", "06-04T00:03 CaughtUp", "06-04T00:00 Cron"),
    ];
    for (toml, now, run_once, skip) in table {
        assert_eq!(due(toml, now, None), run_once, "{toml} {now}");
        assert_eq!(due(&format!("{toml}\nmissed = \"skip\""), now, None), skip, "{toml} {now}");
    }
}

#[test]
fn missed_fires_respect_the_window() {
    let table = [
        ("2026-06-06T04:59:00Z", "06-06T02:00 WindowMoved", "06-06T02:00 WindowMoved"),
        ("2026-06-06T05:00:00Z", "06-13T02:00 CaughtUp", "06-13T02:00 WindowMoved"),
        ("2026-06-13T03:00:00Z", "06-13T03:00 CaughtUp", "06-13T02:00 WindowMoved"),
    ];
    for (now, run_once, skip) in table {
        let toml = format!("every = \"2d\"\n{WINDOW}");
        assert_eq!(due(&toml, now, None), run_once, "{now}");
        let skipped = due(&format!("{toml}\nmissed = \"skip\""), now, None);
        assert_eq!(skipped.split(' ').next_back(), skip.split(' ').next_back(), "{now}");
    }
}

#[test]
fn a_share_of_a_lifetime_is_never_skipped() {
    let toml = "at_lifetime = \"1/3\"\nmissed = \"skip\"";
    assert_eq!(due(toml, "2026-07-20T00:00:00Z", Some(90)), "07-20T00:00 CaughtUp");
}

#[test]
fn jitter_stays_before_the_next_fire_and_in_the_window() {
    for id in ["a", "b", "c", "d"].map(|id| id.repeat(9)) {
        let after = at(CREATED);
        let cx =
            DueContext { after, now: after, secret_id: &id, lifetime: None, expiry_margin: Duration::from_hours(24) };
        let ask = |toml: &str| match next_due(&toml::from_str::<Schedule>(toml).expect(toml).compile(), &cx) {
            NextDue::At(due) => due,
            NextDue::Never(because) => panic!("{because:?}"),
        };
        let hourly = ask("name = \"hourly\"\njitter = \"5h\"");
        assert!(hourly.at > hourly.planned_at && hourly.at < hourly.planned_at + TimeDelta::hours(1));
        let windowed = ask(&format!("every = \"2d\"\njitter = \"9d\"\n{WINDOW}"));
        assert!(windowed.at > at("2026-06-06T02:00:00Z") && windowed.at < at("2026-06-06T05:00:00Z"));
    }
}
