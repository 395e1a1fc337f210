//! What a proof says of itself: number, count, seconds and seed; and how much of it is asked for.
//!
//! `scripts/test` sets the mode by `KEYWHEEL_TEST_MODE`, `KEYWHEEL_TEST_DEEP` and
//! `KEYWHEEL_TEST_WITHOUT`; `KEYWHEEL_TEST_SEED` repeats a sampled run. Tests that are proofs stand in
//! modules called `proofs`, which the quick run leaves out.

use std::io::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};

/// A proof under way.
#[derive(Debug)]
pub(crate) struct Proof {
    number: &'static str,
    what: &'static str,
    seed: u64,
    started: Instant,
}

impl Proof {
    /// Begins the proof with this number of the list, as in `"14b"`; `what` is what is counted.
    pub(crate) fn begin(number: &'static str, what: &'static str) -> Self {
        let from_clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
        let asked = std::env::var("KEYWHEEL_TEST_SEED").ok().and_then(|text| text.parse().ok());
        Self { number, what, seed: asked.unwrap_or_else(from_clock), started: Instant::now() }
    }

    /// The seed of what is sampled.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Prints a figure that was measured on the way.
    pub(crate) fn figure(&self, text: &str) -> Result<()> {
        Ok(writeln!(std::io::stderr(), "proof {}: measured {text}", self.number)?)
    }

    /// Ends the proof: prints its line, and fails when fewer were counted than owed.
    pub(crate) fn end(self, count: u64, owed: u64) -> Result<()> {
        let seconds = self.started.elapsed().as_secs_f64();
        let (number, what, seed) = (self.number, self.what, self.seed);
        // Past the capture of the test's output, so that a passing run shows it too.
        writeln!(std::io::stderr(), "proof {number}: {count} {what} in {seconds:.1} s, seed {seed}")?;
        judge(number, what, count, owed)
    }
}

fn judge(number: &str, what: &str, count: u64, owed: u64) -> Result<()> {
    ensure!(count >= owed, "proof {number} counted {count} {what}, {owed} are owed");
    Ok(())
}

/// The count for this run: `usual`, or `deep` times the asked factor.
pub(crate) fn count(usual: u64, deep: u64) -> u64 {
    match std::env::var("KEYWHEEL_TEST_DEEP").ok().and_then(|text| text.parse::<u64>().ok()) {
        Some(factor) => deep * factor,
        None => usual,
    }
}

/// Whether the run was asked to do without `name`; then a test that needs it returns at once, and
/// `scripts/test` ends with its own exit status.
pub(crate) fn is_without(name: &str) -> bool {
    std::env::var("KEYWHEEL_TEST_WITHOUT").is_ok_and(|names| names.split_whitespace().any(|without| without == name))
}

mod tests {
    use super::*;

    #[test]
    fn a_proof_that_counts_fewer_than_owed_fails() {
        assert!(judge("13", "cuts", 2, 3).is_err());
        assert!(judge("13", "cuts", 3, 3).is_ok());
    }
}
