//! Many things that go wrong, by seed.

use proptest::prelude::*;

use super::{
    choice::Seeded,
    exhaustive::{end_of, natures},
    samples::{events, version},
    target::Holds,
    world::{Nature, World},
};
use crate::rotation::{Recorded, Rotation, fold, plan, transition};

/// Runs of all natures together.
const RUNS: u64 = 60_000;

#[test]
fn whatever_goes_wrong_nobody_is_locked_out_and_it_ends() {
    let natures = natures();
    let (mut ends, mut crashes, mut strangers) = ([0_u32; 3], 0, 0);
    for seed in 0..RUNS {
        let which = usize::try_from(seed).expect("a small number") % natures.len();
        let nature = Nature { has_strangers: seed % 4 == 0, ..natures[which] };
        let mut seeded = Seeded::new(seed);
        let mut world = World::new(nature, &mut seeded);
        world.run();
        ends[end_of(&world.rotation.status)] += 1;
        crashes += world.crashes;
        strangers += u32::from(world.met_stranger);
    }
    let (least, some) = (10_000, 1_000);
    assert!(ends[0] > least && ends[1] > least && ends[2] > 100, "{ends:?}");
    assert!(crashes > 60_000 && strangers > some, "{crashes} crashes, {strangers} strangers");
}

/// Any events behind a beginning, most of which cannot follow; those that can are kept.
fn folded(picks: &[prop::sample::Index]) -> (Rotation, Vec<Recorded>) {
    let events = events();
    let mut journal = vec![events[0].clone()];
    let mut rotation = fold(&journal).expect("a beginning");
    for pick in picks {
        let event = pick.get(&events);
        if let Ok(next) = transition(rotation.clone(), event) {
            rotation = next;
            journal.push(event.clone());
        }
    }
    (rotation, journal)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn a_fold_is_its_events_one_after_the_other(picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let (rotation, journal) = folded(&picks);
        prop_assert_eq!(fold(&journal), Ok(rotation.clone()));
        prop_assert_eq!(plan(&rotation, 0), plan(&rotation, 0));
    }

    #[test]
    fn every_journal_survives_its_stored_form(picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let (_, journal) = folded(&picks);
        for event in &journal {
            let (kind, facts) = event.to_wire();
            prop_assert_eq!(&Recorded::from_wire(&kind, &facts).expect("readable"), event);
        }
    }

    #[test]
    fn no_journal_forgets_a_candidate(picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let (rotation, journal) = folded(&picks);
        let sealed = journal.iter().filter(|event| event.kind() == "sealed").count();
        prop_assert_eq!(rotation.candidates.len(), sealed);
    }
}

#[test]
fn a_seed_gives_the_same_life_again() {
    let nature = Nature { holds: Holds::One, knows_current: true, self_managed: false, has_strangers: true };
    let life = |seed| {
        let mut seeded = Seeded::new(seed);
        let mut world = World::new(nature, &mut seeded);
        world.run();
        world.journal
    };
    assert_eq!(life(7), life(7));
    assert!(
        (0..200).any(|seed| life(seed).contains(&Recorded::Sealed { version: version(2), identity: "app".into() }))
    );
}
