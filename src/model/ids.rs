//! Minting of ids from a time and a source of randomness that are passed in.

use chrono::{DateTime, Utc};
use keywheel_contract::Random;

/// Draws the random part of new ids.
#[derive(Clone, Copy)]
pub struct Minter<'a> {
    /// The time of birth.
    pub at: DateTime<Utc>,
    /// Where the random part comes from.
    pub random: &'a dyn Random,
}

impl Minter<'_> {
    /// Mints an id by its own constructor: `minter.mint(RotationId::mint)`.
    pub fn mint<T>(&self, of: impl FnOnce(DateTime<Utc>, [u8; 10]) -> T) -> T {
        let mut random = [0; 10];
        self.random.fill(&mut random);
        of(self.at, random)
    }
}
