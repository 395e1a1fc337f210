//! Spans of time as people write them: `250ms`, `30s`, `15m`, `12h`, `7d`, `2w`.

use std::time::Duration;

/// Reads a span; none for what is no whole number with a unit, or more than ten years.
pub(super) fn read(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    let span = Duration::from_millis(number.checked_mul(milliseconds)?);
    (span <= Duration::from_hours(24 * 3653)).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_needs_a_number_and_a_unit() {
        assert_eq!(read("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(read("2w"), Some(Duration::from_hours(336)));
        for odd in ["", "7", "d", "-1s", "1.5h", "7 d", "7days", "99999999999999w", "11000d"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
