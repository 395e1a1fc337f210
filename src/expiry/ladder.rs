//! The ladder: at which distances from an expiry somebody is warned.

use chrono::TimeDelta;

use super::error::LadderError;
use super::rung::Rung;
use crate::schedule::HumanDuration;

/// How many rungs a ladder may have.
pub const MOST_RUNGS: usize = 16;

/// How the rungs of a ladder meet a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The rungs as they are, without those that are not below half the lifetime.
    Fixed,
    /// Each rung, or its share of the lifetime if that is less: 30 %, 20 %, 10 % and 3 %, and from the fifth on a third
    /// of the share before. A value that is renewed after two thirds of its life never reaches the first.
    Scaled,
}

impl Mode {
    /// The mode in user text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Scaled => "scaled",
        }
    }
}

/// A checked ladder: 1 to [`MOST_RUNGS`] rungs, each nearer to the expiry than the one before, none farther than
/// [`Rung::FARTHEST`]. The expiry itself is the last rung of every ladder, and is not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    mode: Mode,
    rungs: Vec<Rung>,
}

impl Ladder {
    /// Checks the rungs.
    pub fn new(mode: Mode, rungs: &[HumanDuration]) -> Result<Self, LadderError> {
        check_rungs(rungs)?;
        Ok(Self { mode, rungs: rungs.iter().copied().map(Rung::new).collect() })
    }

    /// How the rungs meet a lifetime.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The rungs as they were written, the least urgent first.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// The rungs that count for a lifetime, the least urgent first and without [`Rung::EXPIRED`]. A life whose begin
    /// nobody knows (`None`) counts as long enough for all of them.
    ///
    /// The answer is empty if none is left: a fixed ladder on a short life, or no life at all.
    pub fn rungs_for(&self, lifetime: Option<TimeDelta>) -> Vec<Rung> {
        let Some(lifetime) = lifetime else { return self.rungs.clone() };
        match self.mode {
            Mode::Fixed => self.rungs.iter().copied().filter(|rung| is_below_half(*rung, lifetime)).collect(),
            Mode::Scaled => scaled(&self.rungs, u64::try_from(lifetime.num_seconds()).unwrap_or(0)),
        }
    }
}

fn is_below_half(rung: Rung, lifetime: TimeDelta) -> bool {
    let distance = rung.as_delta();
    lifetime.checked_sub(&distance).is_some_and(|rest| distance < rest)
}

/// Rungs that are equal after rounding down to seconds are one, and one of no seconds is none.
fn scaled(rungs: &[Rung], lifetime: u64) -> Vec<Rung> {
    let shares = (0..).map(|index| share_of(lifetime, index));
    let mut scaled: Vec<Rung> =
        rungs.iter().zip(shares).map(|(rung, share)| Rung::from_secs(rung.as_secs().min(share))).collect();
    scaled.dedup();
    scaled.retain(|rung| !rung.is_expired());
    scaled
}

/// The share of the rung with this index, in whole seconds.
fn share_of(lifetime: u64, index: u32) -> u64 {
    let hundredths: u64 = match index {
        0 => 30,
        1 => 20,
        2 => 10,
        _ => 3,
    };
    let thirds = 3_u64.saturating_pow(index.saturating_sub(3));
    lifetime.saturating_mul(hundredths) / thirds.saturating_mul(100)
}

/// Refuses what is no ladder.
pub(super) fn check_rungs(rungs: &[HumanDuration]) -> Result<(), LadderError> {
    match rungs.len() {
        0 => return Err(LadderError::Empty),
        1..=MOST_RUNGS => {}
        count => return Err(LadderError::TooMany { count }),
    }
    if let Some(far) = rungs.iter().find(|rung| Rung::new(**rung) > Rung::FARTHEST) {
        return Err(LadderError::TooFar { found: far.to_string() });
    }
    match rungs.windows(2).find(|pair| pair[0] <= pair[1]) {
        Some(pair) => Err(LadderError::NotDecreasing { found: pair[1].to_string(), before: pair[0].to_string() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durations(rungs: &[&str]) -> Vec<HumanDuration> {
        rungs.iter().map(|rung| rung.parse().expect(rung)).collect()
    }

    fn shown(mode: Mode, rungs: &[&str], lifetime: Option<&str>) -> String {
        let ladder = Ladder::new(mode, &durations(rungs)).expect("a ladder");
        let lifetime = lifetime.map(|text| text.parse::<HumanDuration>().expect(text).as_delta());
        let rungs: Vec<String> = ladder.rungs_for(lifetime).iter().map(Rung::to_string).collect();
        rungs.join(" ")
    }

    const USUAL: [&str; 4] = ["30d", "14d", "7d", "1d"];

    #[test]
    fn a_fixed_ladder_leaves_out_what_is_not_below_half_the_lifetime() {
        let table = [
            (Some("365d"), "30d 14d 7d 1d"),
            (Some("5184001s"), "30d 14d 7d 1d"),
            (Some("60d"), "14d 7d 1d"),
            (Some("28d"), "7d 1d"),
            (Some("3d"), "1d"),
            (Some("2d"), ""),
            (None, "30d 14d 7d 1d"),
        ];
        for (lifetime, expected) in table {
            assert_eq!(shown(Mode::Fixed, &USUAL, lifetime), expected, "{lifetime:?}");
        }
    }

    #[test]
    fn a_scaled_ladder_shrinks_with_the_lifetime() {
        let table = [
            (Some("365d"), "30d 14d 7d 1d"),
            (Some("90d"), "27d 14d 7d 1d"),
            (Some("47d"), "20304m 13536m 6768m 1d"),
            (Some("10d"), "3d 2d 1d 432m"),
            (Some("1000s"), "5m 200s 100s 30s"),
            (Some("10s"), "3s 2s 1s"),
            (Some("3s"), ""),
            (None, "30d 14d 7d 1d"),
        ];
        for (lifetime, expected) in table {
            assert_eq!(shown(Mode::Scaled, &USUAL, lifetime), expected, "{lifetime:?}");
        }
    }

    #[test]
    fn shares_beyond_the_fourth_go_on_shrinking() {
        let rungs = ["60d", "50d", "40d", "30d", "20d", "10d"];
        assert_eq!(shown(Mode::Scaled, &rungs, Some("300d")), "60d 50d 30d 9d 3d 1d");
    }

    #[test]
    fn a_life_that_ends_before_it_begins_has_no_rung() {
        for mode in [Mode::Fixed, Mode::Scaled] {
            let ladder = Ladder::new(mode, &durations(&USUAL)).expect("a ladder");
            for lifetime in [TimeDelta::zero(), TimeDelta::days(-400), TimeDelta::MIN] {
                assert!(ladder.rungs_for(Some(lifetime)).is_empty(), "{mode:?} {lifetime}");
            }
        }
    }

    #[test]
    fn what_is_no_ladder_is_refused_with_its_code() {
        let many: Vec<String> = (1..=17).rev().map(|days| format!("{days}d")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let table: [(&[&str], Result<(), &str>); 7] = [
            (&[], Err("ladder-empty")),
            (&many, Err("ladder-too-many-rungs")),
            (&many[1..], Ok(())),
            (&["3654d", "1d"], Err("ladder-rung-too-far")),
            (&["3653d"], Ok(())),
            (&["7d", "30d"], Err("ladder-not-decreasing")),
            (&["7d", "1w"], Err("ladder-not-decreasing")),
        ];
        for (rungs, expected) in table {
            let found = Ladder::new(Mode::Fixed, &durations(rungs)).map(|_| ());
            assert_eq!(found.as_ref().map_err(LadderError::code), expected.as_ref().map_err(|code| *code), "{rungs:?}");
            assert!(
                found.map_or_else(|error| !error.hint().is_empty() && !error.to_string().ends_with('.'), |()| true)
            );
        }
    }
}
