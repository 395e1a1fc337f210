//! When a certificate is renewed, and how long to wait after failures. Pure: the time and the jitter are given.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::renewal_info::Window;

/// Below this lifetime, half of it is left when it is renewed; above, a third.
const SHORT: TimeDelta = TimeDelta::days(10);
const SHORTEST_WAIT: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_mins(1);
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// From when to when a certificate holds, and when it was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Its notBefore, which authorities set a little into the past.
    pub not_before: DateTime<Utc>,
    /// Its notAfter.
    pub not_after: DateTime<Utc>,
    /// When it came here.
    pub obtained_at: DateTime<Utc>,
}

impl Term {
    fn lifetime(self) -> TimeDelta {
        (self.not_after - self.not_before).max(TimeDelta::zero())
    }

    /// What stops a loop: a certificate that came is kept for a third of what it had left, whatever asks for another.
    /// Without this, an authority that clamps lifetimes, or whose window lies in the past, would be asked again at
    /// once, and again. An authority that wants one back (RFC 9773, section 1) waits for a day at most.
    fn kept_until(self, asked: Asked) -> DateTime<Utc> {
        let third = (self.not_after - self.obtained_at).max(TimeDelta::zero()) / 3;
        self.obtained_at
            + match asked {
                Asked::ByShare => third,
                Asked::ByAuthority => third.min(TimeDelta::days(1)),
            }
    }
}

/// What made a certificate due.
#[derive(Debug, Clone, Copy)]
enum Asked {
    ByShare,
    ByAuthority,
}

/// A fraction from 0 to 1, of a random value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter(u16);

impl Jitter {
    /// Takes random bytes.
    pub fn new(random: [u8; 2]) -> Self {
        Self(u16::from_be_bytes(random))
    }

    fn of(self, span: TimeDelta) -> TimeDelta {
        let millis = i128::from(span.num_milliseconds()) * i128::from(self.0) / (1 << 16);
        TimeDelta::milliseconds(i64::try_from(millis).unwrap_or(0))
    }
}

/// The moment within a window at which to renew: the stored one as long as the window still holds it, else a random
/// one (RFC 9773, section 4.2).
pub fn point_in(window: Window, stored: Option<DateTime<Utc>>, jitter: Jitter) -> DateTime<Utc> {
    let random = || window.start + jitter.of(window.end - window.start);
    stored.filter(|point| (window.start..=window.end).contains(point)).unwrap_or_else(random)
}

/// When to renew: at the point that the authority's window gave, if there is one, else when a third of the lifetime is
/// left, or half of a short one; a little earlier by the jitter, so that certificates of one day part.
///
/// A point that would leave less than a tenth of the lifetime is not believed.
pub fn due_at(term: Term, point: Option<DateTime<Utc>>, jitter: Jitter) -> DateTime<Utc> {
    let lifetime = term.lifetime();
    let left = if lifetime < SHORT { lifetime / 2 } else { lifetime / 3 };
    match point.filter(|point| *point <= term.not_after - lifetime / 10) {
        Some(point) => point.max(term.kept_until(Asked::ByAuthority)),
        None => (term.not_after - left - jitter.of(lifetime / 20)).max(term.kept_until(Asked::ByShare)),
    }
}

/// How long to wait after so many failures in a row, with so much left until the certificate ends: a minute, doubled
/// each time, at most a day and at most an eighth of what is left, at least five seconds. The jitter takes away up to
/// a tenth.
pub fn wait_after(failures: u32, left: Duration, jitter: Jitter) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_WAIT).min(left / 8);
    let off = doubled.mul_f64(f64::from(jitter.0) / f64::from(1 << 16) / 10.0);
    doubled.saturating_sub(off).max(SHORTEST_WAIT)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: Jitter = Jitter(0);

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn days(days: i64) -> i64 {
        days * 24 * 60
    }

    fn term(minutes: i64) -> Term {
        Term { not_before: at(0), not_after: at(minutes), obtained_at: at(0) }
    }

    #[test]
    fn a_third_is_left_of_a_long_life_and_half_of_a_short_one() {
        assert_eq!(due_at(term(days(90)), None, NONE), at(days(60)));
        assert_eq!(due_at(term(days(6)), None, NONE), at(days(3)));
    }

    #[test]
    fn a_window_decides_and_its_point_stays_while_the_window_holds_it() {
        let window = Window { start: at(days(20)), end: at(days(22)) };
        let point = point_in(window, None, Jitter(1 << 15));
        assert_eq!((point, due_at(term(days(90)), Some(point), NONE)), (at(days(21)), at(days(21))));
        assert_eq!(point_in(window, Some(at(days(20))), Jitter(9)), at(days(20)));
        let moved = Window { start: at(days(5)), end: at(days(6)) };
        assert_eq!(point_in(moved, Some(at(days(20))), NONE), at(days(5)));
    }

    #[test]
    fn a_window_beyond_the_end_is_not_believed() {
        for odd in [days(82), days(90), days(400)] {
            assert_eq!(due_at(term(days(90)), Some(at(odd)), NONE), at(days(60)));
        }
    }

    #[test]
    fn a_certificate_that_is_due_as_it_comes_is_kept_for_a_third_of_what_is_left() {
        let clamped = Term { not_before: at(0), not_after: at(60), obtained_at: at(45) };
        assert_eq!(due_at(clamped, None, NONE), at(50));
        assert_eq!(due_at(term(days(90)), Some(at(-days(3))), NONE), at(days(1)));
        let over = Term { not_before: at(0), not_after: at(60), obtained_at: at(70) };
        assert_eq!(due_at(over, None, NONE), at(70), "past its end it is due at once");
    }

    #[test]
    fn waits_double_up_to_a_day_and_never_fall_below_five_seconds() {
        let long = Duration::from_hours(100 * 24);
        let seconds: Vec<u64> = [0, 1, 2, 10, 11, u32::MAX].map(|n| wait_after(n, long, NONE).as_secs()).into();
        assert_eq!(seconds, [60, 120, 240, 61_440, 86_400, 86_400]);
        assert_eq!(wait_after(9, Duration::from_secs(80), NONE), Duration::from_secs(10));
        assert_eq!(wait_after(9, Duration::ZERO, Jitter(u16::MAX)), SHORTEST_WAIT);
    }

    proptest! {
        /// From 10 minutes to 398 days, with attempts that take up to half a minute each.
        #[test]
        fn there_are_eight_attempts_before_the_end(
            minutes in 10_i64..=398 * 24 * 60,
            came_late in 0_i64..=50,
            jitters in prop::collection::vec(any::<u16>(), 9),
            lasts in 0_i64..=10,
        ) {
            let obtained_at = at(0) + TimeDelta::minutes(minutes) * i32::try_from(came_late).expect("small") / 100;
            let term = Term { obtained_at, ..term(minutes) };
            let mut now = due_at(term, None, Jitter(jitters[8]));
            let mut attempts = 0;
            while now < term.not_after && attempts < 8 {
                attempts += 1;
                now += TimeDelta::seconds(lasts);
                let left = (term.not_after - now).to_std().unwrap_or_default();
                let wait = wait_after(attempts, left, Jitter(jitters[usize::try_from(attempts).expect("small") - 1]));
                now += TimeDelta::from_std(wait).expect("small");
            }
            prop_assert_eq!(attempts, 8);
        }

        #[test]
        fn a_certificate_is_due_before_it_ends_and_never_before_it_came(
            minutes in 10_i64..=398 * 24 * 60,
            point in prop::option::of(-1_000_000_i64..1_000_000),
            jitter in any::<u16>(),
        ) {
            let term = term(minutes);
            let due = due_at(term, point.map(at), Jitter(jitter));
            prop_assert!(due > term.obtained_at && due < term.not_after);
        }
    }
}
