//! A calendar of expiries and planned rotations, for any calendar program (RFC 5545).
//!
//! Written by hand: the feed needs one kind of event, and of the format two rules, escaping and folding. It says
//! nothing that the caller did not put into a row.

use std::fmt::Write;

use chrono::{DateTime, Datelike, Utc};

/// How many bytes a line may have, its line break left aside (RFC 5545, 3.1).
const LONGEST_LINE: usize = 75;

/// One entry. It has a moment and no length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarRow {
    /// What makes the entry the same one when it moves; unique in the world, such as `SECRET-expiry@HOST`.
    pub uid: String,
    /// Its title.
    pub summary: String,
    /// What else is to be said; may have several lines.
    pub description: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Words to filter by.
    pub categories: Vec<String>,
}

/// Writes the calendar, with `made_at` as the time of each entry's writing. Entries stand in the order of the rows.
///
/// A row outside the years 1 to 9999 has no form in the format, and is left out. Fractions of seconds are cut.
pub fn calendar(name: &str, made_at: DateTime<Utc>, rows: &[CalendarRow]) -> String {
    let mut text = String::new();
    put(&mut text, "BEGIN", "VCALENDAR");
    put(&mut text, "VERSION", "2.0");
    put(&mut text, "PRODID", "-//keywheel//expiries//EN");
    put(&mut text, "CALSCALE", "GREGORIAN");
    put(&mut text, "NAME", &escaped(name));
    put(&mut text, "X-WR-CALNAME", &escaped(name));
    put(&mut text, "REFRESH-INTERVAL;VALUE=DURATION", "PT1H");
    for row in rows.iter().filter(|row| (1..=9_999).contains(&row.at.year())) {
        put_event(&mut text, made_at, row);
    }
    put(&mut text, "END", "VCALENDAR");
    text
}

fn put_event(text: &mut String, made_at: DateTime<Utc>, row: &CalendarRow) {
    put(text, "BEGIN", "VEVENT");
    put(text, "UID", &escaped(&row.uid));
    put(text, "DTSTAMP", &time(made_at));
    put(text, "DTSTART", &time(row.at));
    put(text, "SUMMARY", &escaped(&row.summary));
    if !row.description.is_empty() {
        put(text, "DESCRIPTION", &escaped(&row.description));
    }
    if !row.categories.is_empty() {
        let categories: Vec<String> = row.categories.iter().map(|category| escaped(category)).collect();
        put(text, "CATEGORIES", &categories.join(","));
    }
    // An expiry takes nobody's time.
    put(text, "TRANSP", "TRANSPARENT");
    put(text, "END", "VEVENT");
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// A text value (RFC 5545, 3.3.11). Control characters other than line breaks and tabs have no form in it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.replace("\r\n", "\n").chars() {
        match letter {
            '\\' | ';' | ',' => escaped.extend(['\\', letter]),
            '\n' | '\r' => escaped.push_str("\\n"),
            '\t' => escaped.push(letter),
            _ if letter.is_control() => {}
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// Writes a line, folded between characters: what follows a break begins with a blank, which counts.
fn put(text: &mut String, name: &str, value: &str) {
    let mut length = 0;
    for letter in name.chars().chain([':']).chain(value.chars()) {
        if length + letter.len_utf8() > LONGEST_LINE {
            text.push_str("\r\n ");
            length = 1;
        }
        text.push(letter);
        length += letter.len_utf8();
    }
    text.write_str("\r\n").expect("a string takes all text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(summary: &str) -> CalendarRow {
        CalendarRow {
            uid: "sec_1-expiry@keywheel.example.org".to_owned(),
            summary: summary.to_owned(),
            description: String::new(),
            at: "2027-03-01T12:30:15.9Z".parse().expect("a time"),
            categories: vec!["expiry".to_owned(), "a,b".to_owned()],
        }
    }

    fn written(rows: &[CalendarRow]) -> String {
        calendar("keywheel", "2026-06-01T00:00:00Z".parse().expect("a time"), rows)
    }

    #[test]
    fn an_entry_has_its_lines() {
        let text = written(&[row("domain example.org expires")]);
        let event = "BEGIN:VEVENT\r\nUID:sec_1-expiry@keywheel.example.org\r\nDTSTAMP:20260601T000000Z\r\n\
                     DTSTART:20270301T123015Z\r\nSUMMARY:domain example.org expires\r\nCATEGORIES:expiry,a\\,b\r\n\
                     TRANSP:TRANSPARENT\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert!(text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n") && text.ends_with(event), "{text}");
    }

    #[test]
    fn a_text_cannot_become_a_line_of_its_own() {
        let text = written(&[row("a\r\nEND:VEVENT\nb\rc; d, e\\n\u{7}\u{85}")]);
        assert!(text.contains("SUMMARY:a\\nEND:VEVENT\\nb\\nc\\; d\\, e\\\\n\r\n"), "{text}");
        assert_eq!(text.matches("\r\nEND:VEVENT").count(), 1);
    }

    #[test]
    fn lines_are_folded_between_characters_at_75_bytes() {
        for letter in ["x", "ü", "€", "🔑", ","] {
            for count in 50..90 {
                let text = written(&[row(&letter.repeat(count))]);
                assert!(text.split("\r\n").all(|line| line.len() <= 75), "{letter} {count}");
                let whole = format!("SUMMARY:{}\r\n", escaped(&letter.repeat(count)));
                assert!(text.replace("\r\n ", "").contains(&whole), "{letter} {count}");
            }
        }
        assert!(!written(&[row(&"x".repeat(67))]).contains("\r\n "), "75 bytes fit");
    }

    #[test]
    fn a_row_beyond_the_format_is_left_out() {
        let beyond = CalendarRow { at: DateTime::<Utc>::MAX_UTC, ..row("never") };
        assert!(!written(&[beyond]).contains("VEVENT"));
    }
}
