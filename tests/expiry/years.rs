//! Simulated years: what a daemon tells that sleeps until it is to look again, and is down at times, against somebody
//! who looks each hour.

mod proofs {
    use std::collections::BTreeSet;

    use anyhow::{Result, ensure};
    use keywheel::expiry::{Rotates, Rung, Warning, next_warning};
    use serde_json::{Value, json};

    use crate::expiry::case::{BEGIN, Facts, HOUR, seconds};
    use crate::schedule::{
        random::Random,
        reference::{Reference, instant},
    };
    use crate::support::proof::{Proof, count};

    const SECRETS: u64 = 500;
    const RESTARTS: u64 = 100;
    const YEAR_HOURS: i64 = 365 * 24;
    const END: i64 = BEGIN + YEAR_HOURS * HOUR;

    /// What is known of one secret over the year: facts, each from a full hour on.
    struct Story {
        facts: Vec<(i64, Facts)>,
        /// Whether each of its rotations came as planned, and in time.
        is_healthy: bool,
    }

    impl Story {
        fn generate(random: &mut Random) -> Self {
            let is_healthy = random.percent(30);
            let (rule, nature) = loop {
                let rule = Facts::any_rule(random);
                if rungs_of(&rule).iter().all(|rung| rung.ends_with('d') || rung.ends_with('h')) {
                    break (rule, Facts::any_nature(random));
                }
            };
            // Each share of the lifetime, and half of the last, is whole hours.
            let unit = if rungs_of(&rule).len() > 4 { 600 * HOUR } else { 100 * HOUR };
            let longest = random.between(1, 4_000 * HOUR / unit);
            let mut story = Self { facts: Vec::new(), is_healthy };
            let mut begin = BEGIN - random.between(0, longest) * unit;
            while begin < END {
                let expiry = begin + random.between((longest + 1) / 2, longest) * unit;
                let is_begin_known = is_healthy || random.percent(90);
                let facts = Facts {
                    rule: rule.clone(),
                    nature,
                    begin: is_begin_known.then_some(begin),
                    expiry,
                    rotation: Rotates::Not,
                };
                begin = story.live(random, begin, &facts);
            }
            story
        }

        /// Adds what happens from a begin to the next one, which is the answer.
        fn live(&mut self, random: &mut Random, begin: i64, facts: &Facts) -> i64 {
            let hours = (facts.expiry - begin) / HOUR;
            let mut know = |since: i64, rotation| self.facts.push((since, Facts { rotation, ..facts.clone() }));
            let planned = |at: i64| Rotates::Planned { at: instant(at) };
            if self.is_healthy {
                // At the first mark of the ladder's last rung, or before.
                let marks = facts.marks();
                let latest = marks[marks.len().saturating_sub(2)].min(facts.expiry - HOUR).max(begin);
                let plan = begin + random.between(0, (latest - begin) / HOUR) * HOUR;
                know(begin, planned(plan));
                return plan.max(begin + HOUR);
            }
            let plan = begin + random.between(hours / 3, hours * 11 / 10) * HOUR;
            let later = plan + random.between(1, hours / 4 + 48) * HOUR;
            match random.between(1, 6) {
                1 => know(begin, planned(plan)),
                2 => {
                    know(begin, planned(plan));
                    know(plan, Rotates::Failing);
                    return later;
                }
                3 => {
                    know(begin, planned(plan));
                    know(plan + random.between(0, 30) * HOUR, Rotates::Overdue);
                    return later + 31 * HOUR;
                }
                4 => {
                    know(begin, planned(plan));
                    know(begin + (plan - begin) / 2 / HOUR * HOUR, Rotates::Paused);
                    know(plan, planned(later));
                    return later;
                }
                _ => {
                    know(begin, Rotates::Not);
                    return later;
                }
            }
            plan.max(begin + HOUR)
        }

        fn request(&self, downs: &[(i64, i64)]) -> Value {
            let of = |(since, facts): &(i64, Facts)| {
                let mut facts = facts.for_reference();
                facts["since"] = json!(since);
                facts
            };
            let facts: Vec<Value> = self.facts.iter().map(of).collect();
            json!({ "kind": "history", "from": BEGIN, "until": END, "facts": facts, "downs": downs })
        }

        /// What a daemon tells: time, expiry, rung, superseded, reason. It knows only what it told for an expiry.
        fn told(&self, downs: &[(i64, i64)], random: &mut Random) -> Vec<Value> {
            let mut said = Vec::new();
            let mut kept: Option<(i64, Rung)> = None;
            let mut now = BEGIN;
            while now < END {
                if let Some((_, again)) = downs.iter().find(|(low, high)| *low <= now && now < *high) {
                    now = *again;
                    continue;
                }
                let known = self.facts.partition_point(|(since, _)| *since <= now);
                let (_, facts) = &self.facts[known - 1];
                let told = kept.filter(|(expiry, _)| *expiry == facts.expiry).map(|(_, rung)| rung);
                let mut wake = self.facts.get(known).map_or(END, |(since, _)| *since);
                match next_warning(&facts.standing(&facts.ladder(), now, told)) {
                    Warning::Now { rung, superseded, reason } => {
                        assert!(told.is_none_or(|told| rung < told), "{rung} is told after {told:?}");
                        let superseded: Vec<i64> = superseded.into_iter().map(seconds).collect();
                        said.push(json!([now, facts.expiry, seconds(rung), superseded, reason.as_str()]));
                        kept = Some((facts.expiry, rung));
                        continue;
                    }
                    Warning::At { at, .. } => wake = wake.min(at.timestamp()),
                    Warning::Never { .. } => {}
                }
                // Now and then it is woken for something else.
                let woken = now + random.between(1, 2_000) * HOUR;
                // A restart makes it look again as well.
                let restarted = downs.iter().map(|(low, _)| *low).find(|low| *low > now).unwrap_or(END);
                now = wake.min(woken).min(restarted);
            }
            said
        }
    }

    fn rungs_of(rule: &keywheel::expiry::LadderRule) -> Vec<String> {
        let text: keywheel::expiry::LadderText = rule.clone().into();
        text.rungs.unwrap_or_default()
    }

    /// Some are long enough for several rungs to pass, and some have no length at all.
    fn downs(random: &mut Random) -> Vec<(i64, i64)> {
        (0..RESTARTS)
            .map(|_| {
                let low = BEGIN + random.between(0, YEAR_HOURS) * HOUR;
                let longest = *random.pick(&[0, 12, 12, 72, 400]);
                (low, low + random.between(0, longest) * HOUR)
            })
            .collect()
    }

    fn live_a_year(random: &mut Random) -> Result<[usize; 3]> {
        let downs = downs(random);
        let stories: Vec<Story> = (0..SECRETS).map(|_| Story::generate(random)).collect();
        let requests: Vec<Value> = stories.iter().map(|story| story.request(&downs)).collect();
        let mut reference = Reference::of("expiry.py", &requests);
        let (mut told, mut superseded, mut of_healthy) = (0, 0, 0);
        for (story, request) in stories.iter().zip(&requests) {
            let (expected, found) = (reference.next(), story.told(&downs, random));
            ensure!(json!(found) == expected["said"], "{request}: found {found:?}, expected {expected}");
            let different: BTreeSet<String> = found.iter().map(|one| format!("{} {}", one[1], one[2])).collect();
            ensure!(different.len() == found.len(), "a rung was told twice: {found:?}");
            told += found.len();
            superseded += found.iter().filter_map(|one| one[3].as_array()).map(Vec::len).sum::<usize>();
            of_healthy += if story.is_healthy { found.len() } else { 0 };
        }
        Ok([told, superseded, of_healthy])
    }

    #[test]
    fn a_year_of_warnings_is_the_ideal_one_in_spite_of_restarts() -> Result<()> {
        let proof = Proof::begin("25", "years of 500 secrets with 100 restarts on the ladder");
        let mut random = Random::seeded(proof.seed());
        let years = count(1, 50);
        for _ in 0..years {
            let [told, superseded, of_healthy] = live_a_year(&mut random)?;
            ensure!(told > 500 && superseded > 50, "too little happens: {told} told, {superseded} superseded");
            ensure!(of_healthy == 0, "{of_healthy} warnings of secrets that rotate as planned");
        }
        proof.end(years, years)
    }
}
