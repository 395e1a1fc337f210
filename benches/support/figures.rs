//! Figures beside their limits: every pair, the median with the smallest and largest ratio, and whether the goal is
//! met. Nothing is asserted: a figure depends on the machine and on what else runs there.

use std::{fmt::Write as _, io::Write as _, time::Duration};

/// What a figure should reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(limit) => format!("≥ {limit}"),
            Self::AtMost(limit) => format!("≤ {limit}"),
        }
    }
}

/// Prints one line.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Prints the pairs of an interleaved run and their ratios, the first value over the second.
pub(crate) fn tell_pairs(what: &str, goal: Goal, pairs: &[(f64, f64)]) {
    let mut ratios = Vec::with_capacity(pairs.len());
    for (i, (ours, limit)) in pairs.iter().enumerate() {
        let ratio = ours / limit;
        say(&format!("  pair {}: {ours:.3} over {limit:.3} = {ratio:.3}", i + 1));
        if ratio.is_finite() {
            ratios.push(ratio);
        }
    }
    if ratios.is_empty() {
        return tell_unmeasured(what, goal, "no pair was measured");
    }
    ratios.sort_by(f64::total_cmp);
    let spread = format!("min {:.3}, max {:.3}, {} pairs", ratios[0], ratios[ratios.len() - 1], ratios.len());
    verdict(what, goal, median(&ratios), &spread);
}

/// Prints values of one kind, such as percentages of a core.
pub(crate) fn tell_value(what: &str, goal: Goal, value: f64, remark: &str) {
    verdict(what, goal, value, remark);
}

/// Prints that a goal was not measured, which is not a pass.
pub(crate) fn tell_unmeasured(what: &str, goal: Goal, because: &str) {
    say(&format!("{what}: not measured ({because}), goal {}", goal.text()));
}

fn verdict(what: &str, goal: Goal, value: f64, remark: &str) {
    let word = if goal.is_met(value) { "goal met" } else { "goal missed" };
    say(&format!("{what}: {value:.3} ({remark}), goal {}: {word}", goal.text()));
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// A quantile of times in microseconds, in milliseconds.
pub(crate) fn quantile_ms(times: &mut [i64], part: f64) -> f64 {
    if times.is_empty() {
        return f64::NAN;
    }
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let at = ((times.len() - 1) as f64 * part).round() as usize;
    millis(times[at])
}

/// Microseconds in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "times of hours at most")]
pub(crate) fn millis(us: i64) -> f64 {
    us as f64 / 1000.0
}

/// How many in a second.
#[expect(clippy::cast_precision_loss, reason = "counts of millions at most")]
pub(crate) fn per_second(count: usize, span: Duration) -> f64 {
    count as f64 / span.as_secs_f64()
}

/// A table of step times.
pub(crate) fn tell_steps(steps: &mut [(&'static str, Vec<i64>)]) {
    let mut line = String::from("step times in ms, p50 / p99:");
    for (name, times) in steps {
        let _ = write!(line, "  {name} {:.1} / {:.1}", quantile_ms(times, 0.5), quantile_ms(times, 0.99));
    }
    say(&line);
}
