//! `Retry-After` of RFC 9110, section 10.2.3: seconds, or a moment, which is read against the answer's own `Date` and
//! not against the clock of this host.

use std::time::Duration;

use chrono::DateTime;
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// No wait is longer: what an authority asks for beyond it is asked for again then.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// How long to wait before the next request, if the answer says so.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = DateTime::parse_from_rfc2822(text).ok()?;
        let said_at = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
        (until - said_at).to_std().unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(after: &'static str, date: &'static str) -> Option<Duration> {
        let value = HeaderValue::from_static;
        retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value(after)), (DATE, value(date))]))
    }

    #[test]
    fn seconds_and_moments_are_waits_and_anything_else_is_none() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(read("120", date), Some(Duration::from_mins(2)));
        assert_eq!(read("Sun, 06 Nov 1994 08:51:37 GMT", date), Some(Duration::from_mins(2)));
        assert_eq!(read("Sun, 06 Nov 1994 08:40:37 GMT", date), Some(Duration::ZERO));
        assert_eq!(read("99999999999", date), Some(LONGEST));
        for odd in ["soon", "-1", ""] {
            assert_eq!(read(odd, date), None, "{odd}");
        }
        assert_eq!(read("Sun, 06 Nov 1994 08:51:37 GMT", "no date"), None);
    }
}
