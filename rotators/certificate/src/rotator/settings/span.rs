//! Spans of time as people write them: `30s`, `15m`, `12h`, `90d`, `2w`.

use std::time::Duration;

/// Reads a span; none for what is no whole number with a unit, is zero, or is more than twenty years.
pub(super) fn read(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    let span = Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(unit)?);
    (!span.is_zero() && span <= Duration::from_hours(24 * 7305)).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_needs_a_number_and_a_unit() {
        assert_eq!(read("90d"), Some(Duration::from_hours(90 * 24)));
        assert_eq!(read("45m"), Some(Duration::from_mins(45)));
        for odd in ["", "9", "d", "0d", "-1d", "1.5h", "1 d", "3months", "99999999999999999999d", "8000d"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
