//! Sources of randomness: the operating system's for real targets, a seeded one for what must replay.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::rand::SecureRandom;

use crate::Random;

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        ring::rand::SystemRandom::new().fill(buffer).expect("the operating system has randomness");
    }
}

/// Randomness that replays from its seed. Not for real secrets.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// A source that gives the same bytes for the same seed and the same calls.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let word = mix(self.0.fetch_add(GOLDEN, Ordering::Relaxed)).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
pub(super) fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// Folds a text into a number, so that equal texts after equal seeds give equal numbers.
pub(super) fn mix_text(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed, |n, byte| mix(n ^ u64::from(byte)).wrapping_add(GOLDEN))
}

/// Random hexadecimal digits, two for each byte.
pub(super) fn hex<const BYTES: usize>(random: &dyn Random) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = [0; BYTES];
    random.fill(&mut bytes);
    let mut text = String::with_capacity(2 * BYTES);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_bytes_and_others_do_not() {
        let draw = |seed| hex::<16>(&SeededRandom::new(seed));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(hex::<16>(&SystemRandom), hex::<16>(&SystemRandom));
    }
}
