//! When a send is tried again: the delays of Standard Webhooks (<https://www.standardwebhooks.com>, "Operational
//! considerations"), compressed so that all tries end before the moment that the notice is about.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

/// Seconds to wait before each try, from the first one on.
const DELAYS: [u64; 10] =
    [0, 5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];

/// The wait after so many failed tries; none when no try is left. `left` is the time until the moment that the notice
/// is about, `drawn` makes the jitter (up to a tenth), and a receiver's own wish is the least wait.
pub(crate) fn after(tries: i64, left: Option<Duration>, wish: Option<Duration>, drawn: u32) -> Option<Duration> {
    let done = usize::try_from(tries).ok()?;
    let rest = DELAYS.get(done..).filter(|rest| !rest.is_empty())?;
    let whole: u64 = rest.iter().sum();
    let planned = Duration::from_secs(rest[0]);
    let fitted = match left {
        // The moment is over: it is tried without haste, as nothing can be in time.
        None | Some(Duration::ZERO) => planned,
        Some(left) if left.as_secs() < whole => planned.mul_f64(left.as_secs_f64() * 0.9 / to_f64(whole)),
        Some(_) => planned,
    };
    let jittered = fitted.mul_f64(1.0 + f64::from(drawn) / f64::from(u32::MAX) / 10.0);
    let wish = wish.map(|wish| left.map_or(wish, |left| wish.min(left.max(Duration::from_secs(1)))));
    Some(wish.map_or(jittered, |wish| jittered.max(wish.min(Duration::from_secs(24 * HOUR)))))
}

#[expect(clippy::cast_precision_loss, reason = "some days in seconds")]
fn to_f64(seconds: u64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(left: Option<Duration>, drawn: u32) -> Vec<Duration> {
        let mut left = left;
        let mut waits = Vec::new();
        for tries in 0.. {
            let Some(wait) = after(tries, left, None, drawn) else { return waits };
            left = left.map(|left| left.saturating_sub(wait));
            waits.push(wait);
        }
        waits
    }

    #[test]
    fn the_plan_is_the_one_that_is_promised() {
        let seconds: Vec<u64> = all(None, 0).iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, DELAYS);
    }

    #[test]
    fn all_tries_end_before_the_moment_whatever_is_drawn() {
        for left in [10, 60, 3_600, 86_400, 200_000] {
            for drawn in [0, u32::MAX / 2, u32::MAX] {
                let waits = all(Some(Duration::from_secs(left)), drawn);
                assert_eq!(waits.len(), DELAYS.len());
                assert!(waits.iter().sum::<Duration>() < Duration::from_secs(left), "{left} {drawn}");
            }
        }
    }

    #[test]
    fn a_receivers_wish_is_the_least_wait_and_bounded() {
        let hour = Duration::from_secs(HOUR);
        assert_eq!(after(1, None, Some(hour), 0), Some(hour));
        assert_eq!(after(1, None, Some(hour * 1000), 0), Some(hour * 24));
        assert!(after(1, Some(Duration::from_mins(1)), Some(hour), 0).is_some_and(|wait| wait.as_secs() <= 60));
    }

    #[test]
    fn a_moment_that_is_over_is_still_tried() {
        assert_eq!(after(1, Some(Duration::ZERO), None, 0), Some(Duration::from_secs(5)));
        assert_eq!(after(10, None, None, 0), None);
    }
}
