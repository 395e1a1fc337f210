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

/// The random part that was given out last. Ids of one millisecond grow too, as those of a monotonic ULID do
/// (<https://github.com/ulid/spec>, "Monotonicity"): what is ordered by its id is in the order of its making.
#[derive(Debug, Default)]
pub struct Rising(Option<(i64, [u8; 10])>);

impl Rising {
    /// The random part of the next id that is born at a time.
    pub fn next(&mut self, at: DateTime<Utc>, random: &dyn Random) -> [u8; 10] {
        let millisecond = at.timestamp_millis();
        let following = self.0.filter(|(last, _)| *last == millisecond).and_then(|(_, part)| following(part));
        let part = following.unwrap_or_else(|| {
            let mut fresh = [0; 10];
            random.fill(&mut fresh);
            fresh
        });
        self.0 = Some((millisecond, part));
        part
    }
}

/// The number after this one; none after the largest.
fn following(mut part: [u8; 10]) -> Option<[u8; 10]> {
    for byte in part.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(part);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills with one byte.
    struct Same(u8);

    impl Random for Same {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn ids_of_one_millisecond_grow_and_those_of_another_begin_anew() {
        let at = |us| DateTime::from_timestamp_micros(us).expect("a time");
        let mut rising = Rising::default();
        let first = rising.next(at(5_000), &Same(255));
        assert_eq!(first, [255; 10]);
        assert_eq!(rising.next(at(5_999), &Same(1)), [1; 10], "there is none after the largest");
        let next = rising.next(at(5_001), &Same(7));
        assert_eq!(next, [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
        assert_eq!(rising.next(at(6_000), &Same(0)), [0; 10]);
        assert_eq!(following([9, 9, 9, 9, 9, 9, 9, 9, 255, 255]), Some([9, 9, 9, 9, 9, 9, 9, 10, 0, 0]));
    }
}
