//! The operating system's randomness.

use keywheel_contract::Random;
use ring::rand::{SecureRandom, SystemRandom};

/// The operating system's randomness.
#[derive(Debug, Clone)]
pub(super) struct OsRandom(SystemRandom);

impl OsRandom {
    /// Opens the source.
    pub(super) fn new() -> Self {
        Self(SystemRandom::new())
    }
}

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.fill(buffer).expect("the kernel's random source answers once the machine has started");
    }
}
