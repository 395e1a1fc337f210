//! Time as it is passed in: the wall clock, a clock that counts suspension, and sleeping.
//!
//! Nothing below the engine asks for the time. Claims are judged by [`Clock::boot`], which goes on while the
//! machine is suspended (`CLOCK_BOOTTIME`; Rust's `Instant` stops) and never steps.

use std::{pin::Pin, sync::Mutex, time::Duration};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

/// A future that ends when a sleep is over.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The time, from one place.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> DateTime<Utc>;
    /// Time since the machine started, suspension included.
    fn boot(&self) -> Duration;
    /// Sleeps for a duration of running time.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The machine's clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
        Utc::now()
    }

    fn boot(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).expect("time since start is not negative");
        Duration::new(seconds, u32::try_from(time.tv_nsec).expect("nanoseconds are below 10^9"))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The machine's clocks, with a wall time that is wrong by so much, for tests of replicas.
#[derive(Debug, Clone, Copy)]
pub struct WrongClock(pub chrono::TimeDelta);

impl Clock for WrongClock {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.0
    }

    fn boot(&self) -> Duration {
        SystemClock.boot()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        SystemClock.sleep(duration)
    }
}

/// A clock that stands still until it is moved, for tests and simulations. Wall time and time since start can be
/// moved apart, as a step of the wall clock does.
#[derive(Debug)]
pub struct ManualClock {
    wall: Mutex<DateTime<Utc>>,
    boot: watch::Sender<Duration>,
}

impl ManualClock {
    /// A clock that stands at the given wall time, one hour after start.
    pub fn at(wall: DateTime<Utc>) -> Self {
        Self { wall: Mutex::new(wall), boot: watch::Sender::new(Duration::from_hours(1)) }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.step(chrono::TimeDelta::from_std(by).expect("tests move by less than 292,000 years"));
        self.boot.send_modify(|boot| *boot += by);
    }

    /// Steps the wall clock alone, as a time server does.
    pub fn step(&self, by: chrono::TimeDelta) {
        let mut wall = self.wall.lock().expect("no holder panics");
        *wall += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.wall.lock().expect("no holder panics")
    }

    fn boot(&self) -> Duration {
        *self.boot.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut boot = self.boot.subscribe();
        let until = *boot.borrow() + duration;
        Box::pin(async move {
            // The sender lives in the clock; when that is gone, nobody waits for time any more.
            let _ = boot.wait_for(|now| *now >= until).await;
        })
    }
}

/// Microseconds since 1970 of a time, as the store keeps it.
pub fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// The time of stored microseconds; times out of chrono's range become its nearest end.
pub fn from_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or(if micros < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_passed_and_not_by_a_wall_step() {
        let clock = ManualClock::at(from_micros(0));
        let mut sleep = clock.sleep(Duration::from_secs(5));
        clock.step(chrono::TimeDelta::days(1));
        let is_over = tokio::time::timeout(Duration::from_millis(5), &mut sleep).await.is_ok();
        assert!(!is_over);
        clock.advance(Duration::from_secs(5));
        sleep.await;
        assert_eq!(clock.now(), from_micros(86_405_000_000));
    }

    #[test]
    fn boot_time_grows() {
        let before = SystemClock.boot();
        assert!(SystemClock.boot() >= before);
    }
}
