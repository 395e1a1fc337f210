//! Proof 56: every flipped bit of 100 tokens is refused.

use keywheel_contract::Random;

use super::{Seeded, at, key_id, keyring, tenant};
use crate::keyring::{KeyringError, Place};

const TOKENS: usize = 100;

#[test]
fn every_flipped_bit_of_a_hundred_tokens_is_refused() {
    let (random, keyring, tenant, key_id) = (Seeded::new(56), keyring(&[(1, 1)]), tenant(1), key_id(1));
    let mut refusals = 0;
    let mut bits = 0;
    for n in 0..TOKENS {
        let row = format!("ver_{n}");
        let place = Place { tenant: &tenant, table: "version", row: &row, column: "value" };
        let mut plain = vec![0; n];
        random.fill(&mut plain);
        let mut token = keyring.seal(&place, &plain, at(1)).expect("sealed").token;
        for bit in 0..token.len() * 8 {
            token[bit / 8] ^= 1 << (bit % 8);
            let refused = Some(KeyringError::DoesNotOpen { place: place.to_string() });
            refusals += usize::from(keyring.open(&place, &key_id, &token).err() == refused);
            bits += 1;
            token[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(keyring.open(&place, &key_id, &token).expect("as it was").as_slice(), plain);
    }
    assert!(bits > TOKENS * 2_000, "only {bits} bits");
    assert_eq!(refusals, bits);
}
