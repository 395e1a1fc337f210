//! How long to wait between tries: growing, spread by jitter, and never past the time that is left.

use std::time::Duration;

/// How long a rotation whose state is unknown waits between two looks at the target.
pub const LOOK_AGAIN: Duration = Duration::from_secs(5);

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

    /// The wait after so many failures (1 for the first), spread over its upper half by `draw` (any number), and at
    /// most an eighth of the time that is left, but a second at least.
    pub fn after(self, failures: u32, draw: u32, left: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1_u32 << failures.saturating_sub(1).min(20));
        let full = doubled.min(self.longest);
        let spread = full / 2 + full.mul_f64(f64::from(draw) / f64::from(u32::MAX) / 2.0);
        match left {
            Some(left) => spread.min((left / 8).max(Duration::from_secs(1))),
            None => spread,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_jitter_stays_in_the_upper_half() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(10) };
        for (failures, full) in [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (60, 10)] {
            let full = Duration::from_secs(full);
            assert_eq!(backoff.after(failures, 0, None), full / 2);
            assert_eq!(backoff.after(failures, u32::MAX, None), full);
        }
    }

    #[test]
    fn little_time_left_means_short_waits() {
        let wait = Backoff::ROTATIONS.after(9, u32::MAX, Some(Duration::from_secs(80)));
        assert_eq!(wait, Duration::from_secs(10));
        assert_eq!(Backoff::ROTATIONS.after(9, 0, Some(Duration::ZERO)), Duration::from_secs(1));
    }
}
