//! Single answers against the reference.

mod proofs {
    use std::collections::BTreeMap;

    use anyhow::{Result, ensure};
    use keywheel::expiry::{Rotates, Rung, next_warning};
    use serde_json::{Value, json};

    use crate::expiry::case::{BEGIN, DAY, Facts, shown};
    use crate::schedule::{
        random::Random,
        reference::{Reference, instant},
    };
    use crate::support::proof::{Proof, count};

    /// Facts, a moment, and what was told.
    struct Case {
        facts: Facts,
        now: i64,
        told: Option<Rung>,
        /// The strides in which the reference walks; 0 for from mark to mark.
        walk: i64,
    }

    impl Case {
        /// A walked case has nothing between two strides of half a minute.
        fn generate(random: &mut Random, is_walked: bool) -> Self {
            // Each share of 300 minutes is whole minutes.
            let unit = if is_walked { 300 * 60 } else { 1 };
            let longest = if is_walked { 60 } else { *random.pick(&[2 * DAY, 40 * DAY, 400 * DAY, 4_000 * DAY]) };
            let life = random.between(1, longest) * unit;
            let begin = BEGIN + random.between(-50 * DAY, 50 * DAY) / 60 * 60;
            let expiry = begin + life;
            let stride = if is_walked { 60 } else { 1 };
            let plan = instant(begin + random.between(0, life * 6 / 5) / stride * stride);
            let rotation = match random.between(1, 100) {
                1..=25 => Rotates::Not,
                26..=32 => Rotates::Overdue,
                33..=39 => Rotates::Failing,
                40..=46 => Rotates::Paused,
                _ => Rotates::Planned { at: plan },
            };
            let begin = (!random.percent(15)).then_some(begin);
            let (rule, nature) = (Facts::any_rule(random), Facts::any_nature(random));
            let mut facts = Facts { rule, nature, begin, expiry, rotation };
            if matches!(rotation, Rotates::Planned { .. }) && random.percent(50) {
                let at = instant(*random.pick(&facts.marks()) + random.between(-1, 1) * stride);
                facts.rotation = Rotates::Planned { at };
            }
            let anywhere = expiry - random.between(-life / 5, life) / stride * stride;
            let near = *random.pick(&facts.marks()) / stride * stride + random.between(-1, 1) * stride;
            let now = if random.percent(60) { near } else { anywhere };
            let mut rungs = facts.ladder().rungs().to_vec();
            rungs.extend([Rung::EXPIRED, "5d".parse().expect("a rung")]);
            let told = random.percent(45).then(|| *random.pick(&rungs));
            Self { facts, now, told, walk: if is_walked { 30 } else { 0 } }
        }

        fn request(&self) -> Value {
            let mut request = self.facts.for_reference();
            request["kind"] = json!("warning");
            request["now"] = json!(self.now);
            request["told"] = json!(self.told.map(Rung::as_secs));
            request["walk"] = json!(self.walk);
            request
        }

        fn answer(&self) -> Value {
            shown(&next_warning(&self.facts.standing(&self.facts.ladder(), self.now, self.told)))
        }
    }

    /// What kind of answer it is, for the count of each.
    fn kind(answer: &Value) -> String {
        let form = ["now", "at", "never"].into_iter().find(|form| answer.get(form).is_some()).unwrap_or("nothing");
        format!("{form} {}", answer.get("reason").and_then(Value::as_str).unwrap_or_default())
    }

    fn compare(cases: &[Case]) -> Result<BTreeMap<String, u64>> {
        let requests: Vec<Value> = cases.iter().map(Case::request).collect();
        let mut reference = Reference::of("expiry.py", &requests);
        let mut kinds = BTreeMap::new();
        for (case, request) in cases.iter().zip(&requests) {
            let (expected, found) = (reference.next(), case.answer());
            ensure!(found == expected, "{request}: found {found}, expected {expected}");
            *kinds.entry(kind(&expected)).or_default() += 1;
        }
        Ok(kinds)
    }

    #[test]
    fn every_warning_is_what_the_reference_would_tell() -> Result<()> {
        let proof = Proof::begin("25", "standings on the ladder");
        let mut random = Random::seeded(proof.seed());
        let owed = count(20_000, 500_000);
        let cases: Vec<Case> = (0..owed).map(|_| Case::generate(&mut random, false)).collect();
        let kinds = compare(&cases)?;
        let rare: Vec<&String> = kinds.iter().filter(|(_, count)| **count < owed / 200).map(|(kind, _)| kind).collect();
        ensure!(kinds.len() == 9 && rare.is_empty(), "the cases show too little: {kinds:?}");
        proof.end(kinds.values().sum(), owed)
    }

    #[test]
    fn the_moment_to_look_again_is_the_one_that_a_minute_by_minute_walk_finds() -> Result<()> {
        let proof = Proof::begin("25", "walks up the ladder");
        let mut random = Random::seeded(proof.seed());
        let owed = count(60, 2_000);
        let cases: Vec<Case> = (0..owed).map(|_| Case::generate(&mut random, true)).collect();
        proof.end(compare(&cases)?.values().sum(), owed)
    }
}
