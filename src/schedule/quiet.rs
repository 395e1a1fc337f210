//! Quiet hours: a window in which what is not urgent waits.

use chrono::{DateTime, Utc};

use super::window::Window;

/// When the quiet hours end that an instant lies in; the instant itself, where it lies in none or where the text is no
/// window (what cannot be read must not delay a notice).
pub fn quiet_until(window: &str, timezone: Option<&str>, now: DateTime<Utc>) -> DateTime<Utc> {
    let Ok(window) = window.parse::<Window>() else { return now };
    let Ok(zone) = timezone.unwrap_or("UTC").parse::<chrono_tz::Tz>() else { return now };
    match window.first_piece(zone, now) {
        Some((begins, ends)) if begins <= now => ends,
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn a_night_ends_in_the_morning_of_its_zone() {
        let night = |now: &str| quiet_until("22:00-07:00", Some("Europe/Berlin"), at(now));
        assert_eq!(night("2027-01-10T22:30:00Z"), at("2027-01-11T06:00:00Z"));
        assert_eq!(night("2027-07-10T21:00:00Z"), at("2027-07-11T05:00:00Z"));
        assert_eq!(night("2027-01-10T12:00:00Z"), at("2027-01-10T12:00:00Z"));
    }

    #[test]
    fn what_cannot_be_read_delays_nothing() {
        let now = at("2027-01-10T22:30:00Z");
        assert_eq!(quiet_until("at night", None, now), now);
        assert_eq!(quiet_until("22:00-07:00", Some("Mars/Base"), now), now);
    }
}
