//! Rotating keys: new master keys re-wrap roots, new roots replace old ones. Pure: callers store what comes out.
//!
//! Order for a new master: (1) the list with the new key first is written to its source; (2) the re-wrapped roots
//! are stored; (3) old keys leave the list when [`masters_in_use`] does not name them any more, and no backup that
//! is worth keeping does. A crash between any two leaves every root readable, and repeating goes on where it stopped.
//! Order for new roots: (1) [`next_generation`] is stored; (2) what is stored is opened and added to the
//! [`super::Keyring`]; (3) old rows are sealed anew; (4) the old generation is forgotten. A new master does not help
//! against a root that leaked; new roots do.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use keywheel_contract::{KeyId, Random, TenantId};

use super::{KeyringError, MasterId, MasterKeys, Root, WrappedRoot};

/// Draws of an id until one sorts after the newest of the same millisecond.
const DRAWS: usize = 128;

/// Re-wraps roots with the newest master key. Those that it wraps already come back unchanged, in their place.
///
/// Errors: `MasterMissing` or `RootDoesNotOpen` for the first root that does not open; then none is given back.
pub fn rewrap(roots: &[WrappedRoot], masters: &MasterKeys) -> Result<Vec<WrappedRoot>, KeyringError> {
    let one = |wrapped: &WrappedRoot| {
        let root = wrapped.unwrap(masters)?;
        let is_current = wrapped.master_id == *masters.newest_id();
        Ok(if is_current { wrapped.clone() } else { root.wrap(masters) })
    };
    roots.iter().map(one).collect()
}

/// The master keys that these roots need.
pub fn masters_in_use(roots: &[WrappedRoot]) -> BTreeSet<MasterId> {
    roots.iter().map(|root| root.master_id.clone()).collect()
}

/// Draws a new root of a tenant that sorts after its newest one, if it has one, wrapped for the store.
///
/// It comes wrapped alone, so that it can be used only by opening what is stored. Errors: `ClockBehind` if `at` is
/// before the birth of the newest.
pub fn next_generation(
    tenant: &TenantId,
    newest: Option<&KeyId>,
    masters: &MasterKeys,
    at: DateTime<Utc>,
    random: &dyn Random,
) -> Result<WrappedRoot, KeyringError> {
    let mint = || {
        let mut tail = [0; 10];
        random.fill(&mut tail);
        KeyId::mint(at, tail)
    };
    let drawn = match newest {
        None => Ok(mint()),
        Some(newest) => (0..DRAWS)
            .map(|_| mint())
            .find(|key_id| key_id > newest)
            .ok_or_else(|| KeyringError::ClockBehind { newest: newest.clone() }),
    };
    Ok(Root::draw(tenant.clone(), drawn?, at, random).wrap(masters))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Seeded, at, tenant};
    use super::super::{Keyring, Place};
    use super::*;

    fn drawn(masters: &MasterKeys, random: &Seeded, count: u8) -> Vec<WrappedRoot> {
        let one = |n| next_generation(&tenant(n), None, masters, at(1), random).expect("a clock in order");
        (0..count).map(one).collect()
    }

    fn bytes(root: &WrappedRoot, masters: &MasterKeys) -> [u8; 32] {
        *root.unwrap(masters).expect("opens").raw().expose()
    }

    #[test]
    fn after_a_master_rotation_the_old_key_is_not_needed() {
        let random = Seeded::new(1);
        let old = MasterKeys::generate(&random);
        let roots = drawn(&old, &random, 5);
        let both = old.prepend_new(&random);
        let new = MasterKeys::parse(both.to_text().lines().nth(1).expect("the newest")).expect("one key");
        let rewrapped = rewrap(&roots, &both).expect("both keys");
        assert_eq!(masters_in_use(&rewrapped), [new.newest_id().clone()].into());
        for (before, after) in roots.iter().zip(&rewrapped) {
            assert_eq!(
                (&before.tenant, &before.key_id, before.created_at),
                (&after.tenant, &after.key_id, after.created_at)
            );
            assert_eq!(bytes(before, &old), bytes(after, &new));
        }
    }

    #[test]
    fn a_rotation_stopped_at_any_root_goes_on_and_loses_none() {
        let random = Seeded::new(2);
        let old = MasterKeys::generate(&random);
        let roots = drawn(&old, &random, 8);
        let both = old.prepend_new(&random);
        let done = rewrap(&roots, &both).expect("both keys");
        for stopped in 0..=roots.len() {
            let mixed = [&done[..stopped], &roots[stopped..]].concat();
            assert!(mixed.iter().zip(&roots).all(|(now, then)| bytes(now, &both) == bytes(then, &old)));
            let finished = rewrap(&mixed, &both).expect("both keys");
            assert_eq!(masters_in_use(&finished), [both.newest_id().clone()].into());
            assert_eq!(finished[..stopped], done[..stopped]);
        }
    }

    #[test]
    fn a_root_that_does_not_open_stops_the_whole_rotation() {
        let random = Seeded::new(3);
        let old = MasterKeys::generate(&random);
        let mut roots = drawn(&old, &random, 3);
        roots[2].token[40] ^= 1;
        let error = rewrap(&roots, &old.prepend_new(&random)).expect_err("altered");
        assert!(matches!(error, KeyringError::RootDoesNotOpen { tenant: t, .. } if t == tenant(2)));
        let current = rewrap(&roots, &old).expect_err("altered, though nothing would be wrapped anew");
        assert!(matches!(current, KeyringError::RootDoesNotOpen { .. }));
    }

    #[test]
    fn a_new_generation_seals_even_in_the_same_millisecond() {
        let random = Seeded::new(4);
        let masters = MasterKeys::generate(&random);
        let (keyring, tenant) = (Keyring::new(), tenant(1));
        let place = Place { tenant: &tenant, table: "version", row: "ver_1", column: "value" };
        let mut newest: Option<KeyId> = None;
        for round in 0..4 {
            let next = next_generation(&tenant, newest.as_ref(), &masters, at(1), &random).expect("a later id");
            keyring.add(next.unwrap(&masters).expect("its master"));
            assert_eq!(keyring.seal(&place, b"value", at(1)).map(|s| s.key_id), Ok(next.key_id.clone()), "{round}");
            newest = Some(next.key_id);
        }
        assert_eq!(keyring.generations(&tenant).len(), 4);
    }

    #[test]
    fn a_clock_behind_the_newest_root_is_refused() {
        let random = Seeded::new(5);
        let masters = MasterKeys::generate(&random);
        let first = next_generation(&tenant(1), None, &masters, at(10), &random).expect("first");
        let error = next_generation(&tenant(1), Some(&first.key_id), &masters, at(9), &random).expect_err("refused");
        assert_eq!(error, KeyringError::ClockBehind { newest: first.key_id });
    }
}
