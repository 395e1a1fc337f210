//! The facts about one expiry, as the daemon and as the reference take them.

use chrono::TimeDelta;
use keywheel::expiry::{Ladder, LadderRule, Nature, Rotates, Rung, Standing, Warning};
use serde_json::{Value, json};

use crate::schedule::{random::Random, reference::instant};

/// 1 January 2030, 00:00 UTC.
pub(super) const BEGIN: i64 = 1_893_456_000;
pub(super) const HOUR: i64 = 3_600;
pub(super) const DAY: i64 = 86_400;

const LADDERS: [&[&str]; 8] = [
    &["30d", "14d", "7d", "1d"],
    &["60d", "30d", "10d"],
    &["1d"],
    &["90d"],
    &["12h", "6h", "2h"],
    &["45d", "20d", "8d", "4d", "2d", "1d"],
    &["365d", "180d", "90d", "30d"],
    &["3d", "2d", "100m", "2m"],
];

/// What is known of one expiry date. Times are seconds since 1970.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) rule: LadderRule,
    pub(super) nature: Nature,
    pub(super) begin: Option<i64>,
    pub(super) expiry: i64,
    pub(super) rotation: Rotates,
}

impl Facts {
    /// A ladder rule as somebody may have written it, or none.
    pub(super) fn any_rule(random: &mut Random) -> LadderRule {
        let mut text = json!({});
        if random.percent(40) {
            text["mode"] = json!(random.pick(&["fixed", "scaled"]));
        }
        if random.percent(50) {
            text["rungs"] = json!(random.pick(&LADDERS));
        }
        serde_json::from_value(text).expect("a good rule")
    }

    pub(super) fn any_nature(random: &mut Random) -> Nature {
        *random.pick(&[Nature::Ordinary, Nature::Ordinary, Nature::RenewsItself, Nature::Authority])
    }

    pub(super) fn ladder(&self) -> Ladder {
        self.rule.ladder(self.nature, self.lifetime())
    }

    fn lifetime(&self) -> Option<TimeDelta> {
        self.begin.map(|begin| TimeDelta::seconds(self.expiry - begin))
    }

    /// Moments around which something may change.
    pub(super) fn marks(&self) -> Vec<i64> {
        let rungs = self.ladder().rungs_for(self.lifetime());
        let mut marks: Vec<i64> = rungs.iter().map(|rung| self.expiry - seconds(*rung)).collect();
        if let Rotates::Planned { at } = self.rotation {
            let room = rungs.last().map_or(0, |rung| seconds(*rung));
            marks.extend([0, HOUR, room / 2].map(|later| at.timestamp() + later));
        }
        marks.push(self.expiry);
        marks
    }

    pub(super) fn standing<'a>(&self, ladder: &'a Ladder, now: i64, told: Option<Rung>) -> Standing<'a> {
        let (begins_at, expires_at) = (self.begin.map(instant), instant(self.expiry));
        Standing { now: instant(now), begins_at, expires_at, ladder, told, rotation: self.rotation }
    }

    pub(super) fn for_reference(&self) -> Value {
        let rule = serde_json::to_value(&self.rule).expect("a rule is JSON");
        let nature = match self.nature {
            Nature::Ordinary => "ordinary",
            Nature::RenewsItself => "renews-itself",
            Nature::Authority => "authority",
        };
        let (rotation, plan) = match self.rotation {
            Rotates::Not => ("not", None),
            Rotates::Planned { at } => ("planned", Some(at.timestamp())),
            Rotates::Overdue => ("overdue", None),
            Rotates::Failing => ("failing", None),
            Rotates::Paused => ("paused", None),
        };
        json!({
            "mode": rule.get("mode"), "rungs": rule.get("rungs"), "nature": nature, "begin": self.begin,
            "expiry": self.expiry, "rotation": rotation, "plan": plan,
        })
    }
}

pub(super) fn seconds(rung: Rung) -> i64 {
    i64::try_from(rung.as_secs()).expect("ten years fit")
}

/// An answer in the form of the reference. A moment between two seconds counts as the later.
pub(super) fn shown(warning: &Warning) -> Value {
    match warning {
        Warning::Now { rung, superseded, reason } => {
            let superseded: Vec<i64> = superseded.iter().copied().map(seconds).collect();
            json!({ "now": seconds(*rung), "superseded": superseded, "reason": reason.as_str() })
        }
        Warning::At { at, reason } => {
            let second = (at.timestamp_micros() + 999_999).div_euclid(1_000_000);
            json!({ "at": second, "reason": reason.as_str() })
        }
        Warning::Never { reason } => json!({ "never": reason.as_str() }),
    }
}
