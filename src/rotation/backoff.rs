//! How long to wait between tries: growing, spread by jitter, and short where a value's end is near.

use std::time::Duration;

/// How long a rotation whose state is unknown waits between two looks at the target.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The shortest wait near an end.
const LEAST: Duration = Duration::from_secs(5);

/// A wait that doubles with each failure.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Backoff {
    /// Between attempts of one rotation.
    pub const ATTEMPTS: Self = Self { first: Duration::from_secs(1), longest: Duration::from_secs(30) };
    /// Between rotations of one occurrence.
    pub const ROTATIONS: Self = Self { first: Duration::from_mins(1), longest: Duration::from_hours(2) };
    /// Between tries of later work: deliveries, retirements.
    pub const LATER_WORK: Self = Self { first: Duration::from_secs(2), longest: Duration::from_mins(10) };

    /// The same for a value that ends by itself: see [`Backoff::near_an_end`].
    pub const BEFORE_AN_END: Self = Self { first: Duration::from_mins(1), longest: Duration::from_hours(24) };

    /// The wait after so many failures (1 for the first), spread over its upper half by `draw` (any number).
    pub fn after(self, failures: u32, draw: u32) -> Duration {
        spread(self.full(failures), draw)
    }

    /// The same where the value in use ends by itself: at most an eighth of the time until then, or since then, and
    /// five seconds at least. So what is left is enough for many more tries, whatever it is, and what has ended is
    /// tried for most often when its end is fresh.
    pub fn near_an_end(self, failures: u32, draw: u32, to_end: Duration) -> Duration {
        spread(self.full(failures).min(to_end / 8), draw).max(LEAST)
    }

    /// The longest such wait.
    pub fn longest_near_an_end(self, to_end: Duration) -> Duration {
        self.longest.min(to_end / 8).max(LEAST)
    }

    fn full(self, failures: u32) -> Duration {
        self.first.saturating_mul(1_u32 << failures.saturating_sub(1).min(20)).min(self.longest)
    }
}

fn spread(full: Duration, draw: u32) -> Duration {
    full / 2 + full.mul_f64(f64::from(draw) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_jitter_stays_in_the_upper_half() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(10) };
        for (failures, full) in [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (60, 10)] {
            let full = Duration::from_secs(full);
            assert_eq!(backoff.after(failures, 0), full / 2);
            assert_eq!(backoff.after(failures, u32::MAX), full);
        }
    }

    #[test]
    fn near_an_end_the_wait_is_an_eighth_of_what_is_left() {
        let wait = |failures, draw, seconds| {
            Backoff::BEFORE_AN_END.near_an_end(failures, draw, Duration::from_secs(seconds)).as_secs()
        };
        let table = [(1, 60, 86_400), (4, 480, 86_400), (40, 86_400, 86_400 * 9), (9, 10, 80), (9, 5, 8), (9, 5, 0)];
        for (failures, expected, left) in table {
            assert_eq!(wait(failures, u32::MAX, left), expected, "{failures} {left}");
            assert_eq!(wait(failures, 0, left), (expected / 2).max(5), "{failures} {left}");
        }
    }

    #[test]
    fn whatever_is_left_is_enough_for_eight_tries() {
        for left in [200, 1_200, 28_800, 132 * 86_400] {
            let (mut now, mut tries) = (0, 0);
            while now < left {
                tries += 1;
                let to_end = Duration::from_secs(left - now);
                now += Backoff::BEFORE_AN_END.near_an_end(tries, u32::MAX, to_end).as_secs();
            }
            assert!(tries >= 8, "{tries} tries within {left} s");
        }
    }
}
