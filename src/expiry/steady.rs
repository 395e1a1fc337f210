//! Whether the wall clock may be believed: a forward step of over an hour is held until somebody confirms it.
//!
//! The wall clock is watched beside the time since the machine started, which counts suspension and never steps; so a
//! machine that slept made no step. Steps are judged from an anchor that follows the clock after ten minutes without
//! any step, so that several small ones in a row count as the large one that they are. While a step is held, deactivation, retirement and
//! catching up wait, each in its own place; this machine only says so.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Forward steps above this are held.
pub const STEP: TimeDelta = TimeDelta::hours(1);

/// A held step is confirmed by so much time since start without another step.
pub const CONFIRMED_AFTER: Duration = Duration::from_mins(10);

/// Smaller differences between the two clocks are no step: they are read one after the other.
const NOTED: TimeDelta = TimeDelta::seconds(1);

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The wall clock.
    pub wall_at: DateTime<Utc>,
    /// Time since the machine started, suspension included.
    pub boot: Duration,
}

impl Observation {
    /// How far the wall clock ran ahead of the time that passed since an earlier observation.
    fn lead_since(self, earlier: Self) -> TimeDelta {
        let passed = TimeDelta::from_std(self.boot.saturating_sub(earlier.boot)).unwrap_or(TimeDelta::MAX);
        (self.wall_at - earlier.wall_at).checked_sub(&passed).unwrap_or(TimeDelta::MIN)
    }
}

/// What an observation brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// Nothing.
    Quiet,
    /// A forward step that changes nothing: too small, or another while one is held, which makes the wait begin anew.
    Forward {
        /// How far.
        by: TimeDelta,
    },
    /// A backward step.
    Back {
        /// How far.
        by: TimeDelta,
    },
    /// A forward step that is held from now on.
    Held {
        /// How far, from the anchor.
        by: TimeDelta,
    },
    /// The held step was taken back; the clock is believed again.
    Undone,
    /// The held step was confirmed by time without another.
    Confirmed,
    /// The time since start went back, so the machine did start again; what came before says nothing.
    Restarted,
}

/// The state: steady, or held. Made at the first observation; each later one is passed to [`Steady::observe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steady {
    anchor: Observation,
    last: Observation,
    /// The time since start at the last step of any kind.
    moved: Duration,
    held_since: Option<DateTime<Utc>>,
}

impl Steady {
    /// Begins by believing the clock.
    pub fn starting(first: Observation) -> Self {
        Self { anchor: first, last: first, moved: first.boot, held_since: None }
    }

    /// Begins where an earlier process of the same start of the machine ended, which kept [`Steady::trusted`].
    pub fn resuming(trusted: Observation, first: Observation) -> Self {
        let mut steady = Self::starting(trusted);
        steady.observe(first);
        steady
    }

    /// Takes in both clocks. Called at least each minute, a step is found within it.
    pub fn observe(&mut self, seen: Observation) -> Observed {
        if seen.boot < self.last.boot {
            *self = Self::starting(seen);
            return Observed::Restarted;
        }
        let jump = seen.lead_since(self.last);
        self.last = seen;
        if jump.abs() > NOTED {
            self.moved = seen.boot;
        }
        if self.is_held() { self.observe_held(seen, jump) } else { self.observe_steady(seen, jump) }
    }

    fn observe_steady(&mut self, seen: Observation, jump: TimeDelta) -> Observed {
        let lead = seen.lead_since(self.anchor);
        if lead > STEP {
            (self.held_since, self.moved) = (Some(seen.wall_at - lead), seen.boot);
            return Observed::Held { by: lead };
        }
        if jump < -NOTED || self.is_settled(seen) {
            self.anchor = seen;
        }
        noted(jump)
    }

    fn observe_held(&mut self, seen: Observation, jump: TimeDelta) -> Observed {
        let lead = seen.lead_since(self.anchor);
        if lead <= STEP {
            self.held_since = None;
            if lead < -NOTED {
                self.anchor = seen;
            }
            return Observed::Undone;
        }
        if !self.is_settled(seen) {
            return noted(jump);
        }
        *self = Self::starting(seen);
        Observed::Confirmed
    }

    fn is_settled(&self, seen: Observation) -> bool {
        seen.boot.saturating_sub(self.moved) >= CONFIRMED_AFTER
    }

    /// An operator says that the clock is right. Answers whether a step was held.
    pub fn confirm(&mut self) -> bool {
        let was_held = self.is_held();
        *self = Self::starting(self.last);
        was_held
    }

    /// Says whether a step is held, as of the last observation.
    pub fn is_held(&self) -> bool {
        self.held_since.is_some()
    }

    /// What the wall clock would have shown without the step, when the step was found. `None` if none is held.
    pub fn held_since(&self) -> Option<DateTime<Utc>> {
        self.held_since
    }

    /// The time up to which the wall clock is believed: `now`, or less while a step is held.
    pub fn believed(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.held_since().map_or(now, |since| since.min(now))
    }

    /// The observation by which a later process judges its first, if the machine did not start again in between. While
    /// a step is held, this is one from before it, so that a restart of the daemon confirms nothing.
    pub fn trusted(&self) -> Observation {
        if self.is_held() { self.anchor } else { self.last }
    }
}

fn noted(jump: TimeDelta) -> Observed {
    match jump {
        jump if jump > NOTED => Observed::Forward { by: jump },
        jump if jump < -NOTED => Observed::Back { by: -jump },
        _ => Observed::Quiet,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Both clocks and the machine that watches them.
    struct Clocks {
        seen: Observation,
        steady: Steady,
    }

    impl Clocks {
        fn new() -> Self {
            let wall_at = "2026-06-01T00:00:00Z".parse().expect("a time");
            let seen = Observation { wall_at, boot: Duration::from_secs(50) };
            Self { seen, steady: Steady::starting(seen) }
        }

        /// Lets so many seconds pass, sets the wall clock by so many more, and looks.
        fn look(&mut self, pass: u64, set_by: TimeDelta) -> Observed {
            let pass = Duration::from_secs(pass);
            self.seen.boot += pass;
            self.seen.wall_at += TimeDelta::from_std(pass).expect("short") + set_by;
            self.steady.observe(self.seen)
        }
    }

    const HOUR: TimeDelta = TimeDelta::hours(1);
    const NONE: TimeDelta = TimeDelta::zero();

    #[test]
    fn only_a_forward_step_of_over_an_hour_is_held() {
        let table = [
            (TimeDelta::milliseconds(999), Observed::Quiet),
            (TimeDelta::minutes(1), Observed::Forward { by: TimeDelta::minutes(1) }),
            (HOUR, Observed::Forward { by: HOUR }),
            (HOUR + TimeDelta::microseconds(1), Observed::Held { by: HOUR + TimeDelta::microseconds(1) }),
            (TimeDelta::days(3_653), Observed::Held { by: TimeDelta::days(3_653) }),
            (-HOUR * 2, Observed::Back { by: HOUR * 2 }),
        ];
        for (set_by, expected) in table {
            let mut clocks = Clocks::new();
            let before = clocks.seen.wall_at;
            assert_eq!(clocks.look(30, set_by), expected, "{set_by}");
            let since = matches!(expected, Observed::Held { .. }).then(|| before + TimeDelta::seconds(30));
            assert_eq!(clocks.steady.held_since(), since, "{set_by}");
            assert_eq!(clocks.steady.believed(clocks.seen.wall_at), since.unwrap_or(clocks.seen.wall_at));
        }
    }

    #[test]
    fn a_machine_that_slept_made_no_step() {
        let mut clocks = Clocks::new();
        assert_eq!(clocks.look(20 * 86_400, NONE), Observed::Quiet);
        assert!(!clocks.steady.is_held());
    }

    #[test]
    fn ten_minutes_without_another_step_confirm_it() {
        let mut clocks = Clocks::new();
        clocks.look(30, HOUR * 5);
        assert_eq!(clocks.look(599, NONE), Observed::Quiet);
        assert!(clocks.steady.is_held());
        assert_eq!(clocks.look(1, NONE), Observed::Confirmed);
        assert!(!clocks.steady.is_held());
        assert_eq!(clocks.look(30, HOUR), Observed::Forward { by: HOUR });
    }

    #[test]
    fn another_step_makes_the_wait_begin_anew() {
        for another in [TimeDelta::minutes(1), -TimeDelta::minutes(1), HOUR * 50] {
            let mut clocks = Clocks::new();
            clocks.look(30, HOUR * 5);
            let since = clocks.steady.held_since();
            clocks.look(500, another);
            assert_eq!(clocks.look(500, NONE), Observed::Quiet, "{another}");
            assert_eq!(clocks.steady.held_since(), since);
            assert_eq!(clocks.look(100, NONE), Observed::Confirmed, "{another}");
        }
    }

    #[test]
    fn an_operator_confirms_and_a_step_that_is_taken_back_is_forgotten() {
        let mut clocks = Clocks::new();
        assert!(!clocks.steady.confirm());
        clocks.look(30, HOUR * 5);
        assert!(clocks.steady.confirm() && !clocks.steady.is_held());
        clocks.look(30, HOUR * 5);
        assert_eq!(clocks.look(30, -HOUR * 5), Observed::Undone);
        assert!(!clocks.steady.is_held());
    }

    #[test]
    fn small_steps_in_a_row_add_up() {
        let mut clocks = Clocks::new();
        for _ in 0..3 {
            assert_eq!(clocks.look(60, HOUR / 3), Observed::Forward { by: HOUR / 3 });
        }
        assert!(matches!(clocks.look(60, HOUR / 3), Observed::Held { .. }));
        assert_eq!(clocks.look(0, -HOUR / 3), Observed::Undone);
    }

    #[test]
    fn a_step_back_does_not_hide_one_forward() {
        let mut clocks = Clocks::new();
        clocks.look(30, -HOUR * 24);
        assert!(matches!(clocks.look(30, HOUR * 2), Observed::Held { .. }));
    }

    #[test]
    fn a_restart_of_the_daemon_confirms_nothing_and_one_of_the_machine_begins_anew() {
        let mut clocks = Clocks::new();
        clocks.look(30, HOUR * 5);
        let (since, trusted) = (clocks.steady.held_since(), clocks.steady.trusted());
        clocks.steady = Steady::resuming(trusted, clocks.seen);
        assert_eq!(clocks.steady.held_since(), since);
        clocks.seen.boot = Duration::ZERO;
        assert_eq!(clocks.look(1, HOUR * 100), Observed::Restarted);
        assert!(!clocks.steady.is_held());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_believed_never_runs_ahead_by_more_than_an_hour_within_ten_minutes(
            steps in prop::collection::vec((1_u64..200, -9_000_i64..9_000), 1..40)
        ) {
            let mut clocks = Clocks::new();
            // What was believed at each look, with the time since start.
            let mut believed = vec![(clocks.seen.boot, clocks.seen.wall_at)];
            let mut quiet_since = clocks.seen.boot;
            for (pass, set_by) in steps {
                let set_by = if set_by % 3 == 0 { TimeDelta::seconds(set_by) } else { NONE };
                let observed = clocks.look(pass, set_by);
                if observed == Observed::Confirmed {
                    prop_assert!(clocks.seen.boot >= quiet_since + CONFIRMED_AFTER);
                    believed.clear();
                }
                if set_by != NONE {
                    quiet_since = clocks.seen.boot;
                }
                let (boot, at) = (clocks.seen.boot, clocks.steady.believed(clocks.seen.wall_at));
                // A step back moves all that was believed before it.
                if let Observed::Back { .. } | Observed::Undone = observed {
                    believed.clear();
                }
                believed.retain(|(earlier, _)| boot < *earlier + CONFIRMED_AFTER);
                for (earlier_boot, earlier_at) in &believed {
                    let passed = TimeDelta::from_std(boot.saturating_sub(*earlier_boot)).expect("short");
                    prop_assert!(at - *earlier_at - passed <= STEP, "{} after {}", at, earlier_at);
                }
                believed.push((boot, at));
            }
        }
    }
}
