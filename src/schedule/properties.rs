//! Properties of `next_due` over random schedules and facts.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::zone::wall_at;
use super::*;

const START: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

#[derive(Debug, Clone)]
struct Case {
    text: ScheduleText,
    after: i64,
    wait: i64,
    lifetime: Option<(i64, i64)>,
    margin: u64,
    id: String,
}

impl Case {
    fn schedule(&self) -> Schedule {
        Schedule::try_from(self.text.clone()).expect("only good texts are made")
    }

    fn context(&self, wait: i64) -> DueContext<'_> {
        let after = time(self.after);
        let lifetime = self.lifetime.map(|(age, length)| {
            let starts_at = after - TimeDelta::seconds(age);
            Lifetime { starts_at, expires_at: starts_at + TimeDelta::seconds(length) }
        });
        let expiry_margin = Duration::from_secs(self.margin);
        DueContext { after, now: after + TimeDelta::seconds(wait), secret_id: &self.id, lifetime, expiry_margin }
    }

    fn answer(&self, wait: i64) -> NextDue {
        next_due(&self.schedule().compile(), &self.context(wait))
    }
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(START + seconds, 0).expect("in range")
}

fn rule() -> impl Strategy<Value = ScheduleText> {
    let cron = ["0 * * * *", "*/30 * * * *", "30 2 * * *", "0 3 * * SUN", "0 0 L * *", "0 2,3 1,15 * MON"];
    prop_oneof![
        (3_600_i64..9_000_000)
            .prop_map(|every| ScheduleText { every: Some(format!("{every}s")), ..Default::default() }),
        prop::sample::select(cron.to_vec())
            .prop_map(|cron| ScheduleText { cron: Some(cron.to_owned()), ..Default::default() }),
        prop::sample::select(vec!["1/2", "2/3", "9/10"])
            .prop_map(|share| ScheduleText { at_lifetime: Some(share.to_owned()), ..Default::default() }),
    ]
}

fn text() -> impl Strategy<Value = ScheduleText> {
    let zones = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns"];
    let windows = ["02:00-05:00", "SAT,SUN 22:00-04:00", "MON-FRI 01:30-02:45", "WED 00:00-24:00"];
    let freeze = (0_i64..400, 1_i64..60).prop_map(|(from, days)| FreezeText {
        from: time(from * 86_400).format("%F").to_string(),
        until: time((from + days) * 86_400).format("%F").to_string(),
        reason: "a reason".to_owned(),
    });
    let window = prop::option::of(prop::sample::select(windows.to_vec()));
    let jitter = prop::option::of(1_u32..200_000);
    (rule(), prop::sample::select(zones.to_vec()), window, prop::collection::vec(freeze, 0..3), jitter, any::<bool>())
        .prop_map(|(rule, zone, window, freeze, jitter, is_skipping)| ScheduleText {
            timezone: Some(zone.to_owned()),
            window: window.map(str::to_owned),
            freeze,
            jitter: jitter.map(|seconds| format!("{seconds}s")),
            missed: if is_skipping { MissedPolicy::Skip } else { MissedPolicy::RunOnce },
            ..rule
        })
}

prop_compose! {
    fn case()(
        text in text(),
        after in 0_i64..400 * 86_400,
        wait in 0_i64..90 * 86_400,
        lifetime in prop::option::of((0_i64..30 * 86_400, 1_i64..200 * 86_400)),
        margin in 0_u64..40 * 86_400,
        id in "[a-z0-9]{26}",
    ) -> Case {
        Case { text, after, wait, lifetime, margin, id }
    }
}

fn is_frozen(schedule: &Schedule, at: DateTime<Utc>) -> bool {
    let zone: Tz = schedule.timezone;
    schedule.freeze.iter().map(|freeze| freeze.span(zone)).any(|(from, until)| from <= at && at < until)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_due_time_lies_after_the_last_publish(case in case()) {
        if let NextDue::At(due) = case.answer(case.wait) {
            prop_assert!(due.at > time(case.after), "{:?}", due);
            prop_assert!(due.because == Because::Deadline || due.at >= due.planned_at
                || due.because == Because::ExpiryBeatsWindow, "{:?}", due);
        }
    }

    #[test]
    fn a_due_time_is_allowed_unless_the_expiry_beats_the_window(case in case()) {
        let NextDue::At(due) = case.answer(case.wait) else { return Ok(()) };
        if due.because == Because::ExpiryBeatsWindow {
            return Ok(());
        }
        let schedule = case.schedule();
        let wall = wall_at(schedule.timezone, due.at);
        prop_assert!(schedule.window.is_none_or(|window| window.contains(wall)), "{:?} shows {}", due, wall);
        prop_assert!(!is_frozen(&schedule, due.at), "{:?}", due);
    }

    #[test]
    fn a_due_time_never_moves_earlier_as_time_passes(case in case(), later in 0_i64..30 * 86_400) {
        if let (NextDue::At(first), NextDue::At(second)) = (case.answer(case.wait), case.answer(case.wait + later)) {
            prop_assert!(second.at >= first.at, "{:?} then {:?}", first, second);
        }
    }

    #[test]
    fn a_later_publish_never_makes_a_rule_due_earlier(case in case(), later in 1_i64..30 * 86_400) {
        let first = Case { lifetime: None, ..case };
        let second = Case { after: first.after + later, ..first.clone() };
        if let (NextDue::At(one), NextDue::At(two)) = (first.answer(later), second.answer(0)) {
            prop_assert!(two.at >= one.at || one.at <= second.context(0).now, "{:?} then {:?}", one, two);
        }
    }

    #[test]
    fn nothing_is_due_after_the_deadline_while_there_is_time(case in case()) {
        let cx = case.context(case.wait);
        if let (Some(deadline), NextDue::At(due)) = (cx.deadline(), case.answer(case.wait)) {
            let late = deadline.max(cx.now).max(cx.after + TimeDelta::seconds(1));
            prop_assert!(due.at <= late, "{:?}, deadline {}", due, deadline);
        }
    }

    #[test]
    fn publishing_at_each_due_time_makes_progress(case in case()) {
        // A rotation that leaves the expiry where it is must not be repeated without end.
        let compiled = case.schedule().compile();
        let mut cx = case.context(0);
        let mut count = 0;
        while let (Some(lifetime), NextDue::At(due)) = (cx.lifetime, next_due(&compiled, &cx)) {
            if due.at >= lifetime.expires_at || !matches!(due.because, Because::Deadline | Because::ExpiryBeatsWindow) {
                break;
            }
            count += 1;
            prop_assert!(count < 100, "{:?}", due);
            cx = DueContext { after: due.at, now: due.at, lifetime: Some(Lifetime { starts_at: due.at, ..lifetime }), ..cx };
        }
    }
}
