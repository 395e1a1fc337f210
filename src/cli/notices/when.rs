//! Times that options give, and what is left until one.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    cli::{CliError, Exit},
    clock::{Clock, SystemClock},
    engine::ops::{secrets::read_time, wire::Moment},
    schedule::HumanDuration,
};

/// The time that `--until` or `--for` gives.
pub(super) fn until(time: Option<&str>, lasting: Option<&str>) -> Result<Moment, CliError> {
    match (time, lasting) {
        (Some(time), _) => Ok(read_time("until", time)?),
        (None, Some(lasting)) => {
            let lasting: HumanDuration = lasting.parse().map_err(|error: crate::schedule::DurationError| {
                CliError::new(Exit::Usage, error.code(), format!("`--for`: {error}"), error.hint())
            })?;
            Ok(Moment(SystemClock.now() + lasting.as_delta()))
        }
        (None, None) => Err(CliError::usage("the end is missing", "give `--for 2h` or `--until 2027-01-31`")),
    }
}

/// How long it is until a time, in the largest unit that says something; `over` for one that has passed.
pub(super) fn left(at: Moment) -> String {
    words(SystemClock.now(), at.0)
}

fn words(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let left = at - now;
    match (left.num_days(), left.num_hours(), left.num_minutes()) {
        _ if left <= TimeDelta::zero() => "over".to_owned(),
        (days @ 2.., _, _) => format!("{days} days"),
        (_, hours @ 2.., _) => format!("{hours} hours"),
        (_, _, minutes @ 2..) => format!("{minutes} minutes"),
        _ => "a moment".to_owned(),
    }
}

/// Whether a time has passed.
pub(super) fn is_over(at: Moment) -> bool {
    at.0 <= SystemClock.now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_one_unit() {
        let shown = |seconds| words(DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds));
        assert_eq!(shown(3 * 86_400), "3 days");
        assert_eq!(shown(47 * 3_600), "47 hours");
        assert_eq!(shown(119), "a moment");
        assert_eq!(shown(120), "2 minutes");
        assert_eq!((shown(0).as_str(), shown(-1).as_str()), ("over", "over"));
    }

    #[test]
    fn an_end_is_given_in_one_of_two_ways() {
        assert_eq!(until(Some("2027-01-31"), None).expect("a day").to_string(), "2027-02-01T00:00:00Z");
        assert_eq!(until(Some("soon"), None).expect_err("no time").code, "time-invalid");
        assert_eq!(until(None, Some("soon")).expect_err("no duration").code, "duration-form");
        assert!(until(None, None).is_err() && until(None, Some("2h")).is_ok());
    }
}
