//! Properties of `next_warning` over random ladders and facts.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::schedule::HumanDuration;

const START: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z
const MICRO: TimeDelta = TimeDelta::microseconds(1);

#[derive(Debug, Clone)]
struct Case {
    ladder: Ladder,
    nature: Nature,
    lifetime: i64,
    is_begin_known: bool,
    now: i64,
    told: Option<u64>,
    rotation: Rotates,
}

impl Case {
    fn standing(&self) -> Standing<'_> {
        Standing {
            now: time(self.now),
            begins_at: self.is_begin_known.then(|| time(0)),
            expires_at: time(self.lifetime),
            ladder: &self.ladder,
            told: self.told.map(Rung::from_secs),
            rotation: self.rotation,
        }
    }

    fn rungs(&self) -> Vec<Rung> {
        self.ladder.rungs_for(self.is_begin_known.then(|| TimeDelta::seconds(self.lifetime)))
    }
}

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(START + seconds, 0).expect("in range")
}

fn rule() -> impl Strategy<Value = LadderRule> {
    let mode = prop_oneof![Just(None), Just(Some(Mode::Fixed)), Just(Some(Mode::Scaled))];
    let rungs = prop::option::of(prop::collection::btree_set(1_u64..60 * 86_400, 1..=16));
    (mode, rungs).prop_map(|(mode, rungs)| {
        let rungs = rungs.map(|set| set.into_iter().rev().filter_map(HumanDuration::from_secs).collect());
        LadderRule::new(mode, rungs).expect("a set is decreasing backwards")
    })
}

fn nature() -> impl Strategy<Value = Nature> {
    prop_oneof![Just(Nature::Ordinary), Just(Nature::RenewsItself), Just(Nature::Authority)]
}

fn lifetime() -> impl Strategy<Value = i64> {
    prop_oneof![1_i64..7_200, 1_i64..60 * 86_400, 1_i64..4_000 * 86_400]
}

prop_compose! {
    fn case()(
        (rule, nature, lifetime, is_begin_known) in (rule(), nature(), lifetime(), prop::bool::weighted(0.8)),
        now in 0_i64..1_200_000,
        told in prop::option::weighted(0.3, prop_oneof![Just(0_u64), 1_u64..40 * 86_400]),
        plan in 0_i64..1_300_000,
        kind in 0_u8..8,
    ) -> Case {
        let part = |millionths: i64| lifetime * millionths / 1_000_000;
        let rotation = match kind {
            0 => Rotates::Not,
            1 => Rotates::Overdue,
            2 => Rotates::Failing,
            3 => Rotates::Paused,
            _ => Rotates::Planned { at: time(part(plan)) },
        };
        let ladder = rule.ladder(nature, is_begin_known.then(|| TimeDelta::seconds(lifetime)));
        Case { ladder, nature, lifetime, is_begin_known, now: part(now), told, rotation }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_moment_to_look_again_is_the_first_at_which_something_is_told(case in case(), share in 0_i32..1_000) {
        let standing = case.standing();
        let Warning::At { at, .. } = next_warning(&standing) else { return Ok(()) };
        prop_assert!(at > standing.now && at <= standing.expires_at);
        let between = standing.now + (at - standing.now) / 1_000 * share;
        for now in [at - MICRO, between.min(at - MICRO)] {
            let is_same = matches!(next_warning(&Standing { now, ..standing }), Warning::At { at: again, .. } if again == at);
            prop_assert!(is_same, "{} of {}", now, at);
        }
        let is_told = matches!(next_warning(&Standing { now: at, ..standing }), Warning::Now { .. });
        prop_assert!(is_told);
    }

    #[test]
    fn a_rung_is_told_one_time_and_the_most_urgent_reached_one(case in case()) {
        let standing = case.standing();
        let Warning::Now { rung, superseded, .. } = next_warning(&standing) else { return Ok(()) };
        prop_assert!(standing.told.is_none_or(|told| rung < told));
        prop_assert!(rung.moment(standing.expires_at) <= standing.now);
        let mut all = case.rungs();
        all.push(Rung::EXPIRED);
        let is_next_reached = all.iter().any(|other| *other < rung && other.moment(standing.expires_at) <= standing.now);
        prop_assert!(!is_next_reached);
        let skipped: Vec<Rung> =
            all.into_iter().filter(|one| *one > rung && standing.told.is_none_or(|told| *one < told)).collect();
        prop_assert_eq!(superseded, skipped);
        let again = next_warning(&Standing { told: Some(rung), ..standing });
        let is_silent = !matches!(again, Warning::Now { .. });
        prop_assert!(is_silent);
    }

    #[test]
    fn a_plan_that_leaves_the_shortest_room_never_warns_before_it_should_have_run(case in case()) {
        let standing = case.standing();
        let Rotates::Planned { at } = case.rotation else { return Ok(()) };
        let room = case.rungs().last().copied().unwrap_or(Rung::EXPIRED);
        if at <= room.moment(standing.expires_at) && standing.now <= at && standing.now < standing.expires_at {
            let is_silent = !matches!(next_warning(&standing), Warning::Now { .. });
            prop_assert!(is_silent);
        }
    }

    #[test]
    fn what_no_plan_will_rotate_before_the_expiry_is_told_at_each_rung(case in case()) {
        let standing = case.standing();
        let is_kept = matches!(case.rotation, Rotates::Planned { at } if at < standing.expires_at);
        if is_kept {
            return Ok(());
        }
        for rung in case.rungs().into_iter().chain([Rung::EXPIRED]) {
            let now = rung.moment(standing.expires_at);
            let is_told = matches!(
                next_warning(&Standing { now, told: None, ..standing }),
                Warning::Now { rung: told, .. } if told == rung
            );
            prop_assert!(is_told, "{}", rung);
        }
    }

    #[test]
    fn whatever_is_planned_the_expiry_is_told(case in case(), late in 0_i64..1_000_000) {
        let standing = case.standing();
        let told = standing.told.filter(|told| !told.is_expired());
        let now = standing.expires_at + TimeDelta::seconds(late);
        let is_told = matches!(
            next_warning(&Standing { now, told, ..standing }),
            Warning::Now { rung: Rung::EXPIRED, reason: WarningReason::Expired, .. }
        );
        prop_assert!(is_told);
    }

    #[test]
    fn no_plan_silences_the_second_half_of_the_last_room(case in case()) {
        let standing = case.standing();
        let Some(last) = case.rungs().last().copied() else { return Ok(()) };
        let now = standing.expires_at - last.as_delta() / 2;
        let is_told = matches!(next_warning(&Standing { now, told: None, ..standing }), Warning::Now { .. });
        prop_assert!(is_told);
    }

    #[test]
    fn what_renews_itself_after_two_thirds_of_its_life_never_warns(lifetime in lifetime(), rotation in 0_u8..3) {
        let rotation = [Rotates::Not, Rotates::Failing, Rotates::Overdue][usize::from(rotation)];
        let ladder = LadderRule::default().ladder(Nature::RenewsItself, Some(TimeDelta::seconds(lifetime)));
        let (now, begins_at, expires_at) = (time(lifetime * 2 / 3), Some(time(0)), time(lifetime));
        let standing = Standing { now, begins_at, expires_at, ladder: &ladder, told: None, rotation };
        let is_silent = !matches!(next_warning(&standing), Warning::Now { .. });
        prop_assert!(is_silent);
    }

    #[test]
    fn a_ladder_is_decreasing_and_by_default_never_empty(case in case()) {
        let rungs = case.rungs();
        prop_assert!(rungs.is_sorted_by(|one, two| one > two) && rungs.iter().all(|rung| !rung.is_expired()));
        let usual = LadderRule::default().ladder(case.nature, Some(TimeDelta::seconds(case.lifetime)));
        prop_assert!(case.lifetime < 4 || !usual.rungs_for(Some(TimeDelta::seconds(case.lifetime))).is_empty());
        prop_assert!(usual.rungs_for(Some(TimeDelta::seconds(case.lifetime))).iter()
            .all(|rung| rung.as_delta() * 2 < TimeDelta::seconds(case.lifetime)));
    }
}
