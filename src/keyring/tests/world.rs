//! What the tests of the keyring share.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use keywheel_contract::{KeyId, Random, TenantId};

use super::super::{Keyring, Root};

/// A seeded source: SplitMix64 (Steele, Lea, Flood 2014).
pub(in crate::keyring) struct Seeded(AtomicU64);

impl Seeded {
    pub(in crate::keyring) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(in crate::keyring) fn next(&self) -> u64 {
        let n = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        n ^ (n >> 31)
    }

    /// A number below `bound`.
    pub(in crate::keyring) fn below(&self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }
}

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]);
        }
    }
}

pub(in crate::keyring) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).expect("in range")
}

pub(in crate::keyring) fn tenant(n: u8) -> TenantId {
    TenantId::mint(at(0), [n; 10])
}

pub(in crate::keyring) fn key_id(n: u8) -> KeyId {
    KeyId::mint(at(0), [n; 10])
}

/// Adds generation `generation` of tenant `of`, with bytes of its own.
pub(in crate::keyring) fn add(keyring: &Keyring, of: u8, generation: u8) {
    let mut bytes = [of; 32];
    bytes[16..].fill(generation);
    keyring.add(Root::known(tenant(of), key_id(generation), bytes));
}

/// A keyring of these tenants and generations.
pub(in crate::keyring) fn keyring(roots: &[(u8, u8)]) -> Keyring {
    let keyring = Keyring::new();
    for (of, generation) in roots {
        add(&keyring, *of, *generation);
    }
    keyring
}
