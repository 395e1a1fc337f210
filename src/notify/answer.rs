//! What an HTTP answer means for an attempt.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::StatusCode;

use crate::rotation::Because;

use super::{
    Outcome,
    text::{cut, line},
};

/// How much of an answer's body is told.
const EXCERPT: usize = 200;
/// The longest that a receiver may ask to be left alone.
const MOST_PATIENCE: Duration = Duration::from_hours(24);

/// An answer whose head has come.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) not_before: Option<Duration>,
    /// The beginning of the body.
    pub(super) body: String,
    /// What was odd about the body.
    pub(super) note: Option<&'static str>,
}

impl Answer {
    /// What it means, by the rules of Standard Webhooks and RFC 9110.
    pub(super) fn outcome(&self) -> Outcome {
        let told = self.told();
        let code = self.status.as_u16();
        match code {
            200..=299 => Outcome::Delivered { answer: told },
            300..=399 => Outcome::refused(
                "http-redirect",
                format!("the receiver answered {told}; redirects are not followed"),
                "give the address that it redirects to, if that is the right one",
            ),
            410 => {
                let sentence = format!("the receiver answered {told}: it is gone for good");
                Outcome::Gone {
                    because: Because::new("http-gone", sentence, "give a new address and enable the channel again"),
                }
            }
            408 | 425 | 429 | 500..=599 => {
                let sentence = format!("the receiver answered {told}");
                let because = Because::new(&format!("http-{code}"), sentence, "it is tried again");
                Outcome::Again { because, not_before: self.not_before }
            }
            _ => Outcome::refused(&format!("http-{code}"), format!("the receiver answered {told}"), hint(code)),
        }
    }

    /// The answer in one line.
    pub(super) fn told(&self) -> String {
        let reason = self.status.canonical_reason().unwrap_or("");
        let mut told = format!("{} {reason}", self.status.as_u16()).trim().to_owned();
        let body = cut(&line(&self.body), EXCERPT);
        if !body.is_empty() {
            told.extend([", `", &body, "`"]);
        }
        if let Some(note) = self.note {
            told.extend([" (", note, ")"]);
        }
        told
    }
}

fn hint(code: u16) -> &'static str {
    match code {
        400 | 422 => "the receiver does not understand the message: is the channel of the right kind for it?",
        401 | 403 => "see that the receiver knows the current credential or signing secret",
        404 | 405 => "see the path of the address",
        413 => "the receiver takes smaller messages alone",
        _ => "see the receiver's log",
    }
}

/// Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or a date in one of three forms. At most a day.
pub(super) fn retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(MOST_PATIENCE, Duration::from_secs).min(MOST_PATIENCE));
    }
    let at = date(text)?;
    Some((at - now).to_std().unwrap_or(Duration::ZERO).min(MOST_PATIENCE))
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    let forms = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|at| at.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_retry_after_are_read() {
        let now = date("Sun, 06 Nov 1994 08:49:07 GMT").expect("a date");
        let cases = [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(30)),
            ("Sun Nov  6 08:49:37 1994", Some(30)),
            ("Sun, 06 Nov 1993 08:49:37 GMT", None),
            ("Sat, 06 Nov 1993 08:49:37 GMT", Some(0)),
            ("-1", None),
            ("", None),
            ("soon", None),
        ];
        for (text, expected) in cases {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }
}
