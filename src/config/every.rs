//! How often something is done, or never: `24h`, `off`.

use serde::{Deserialize, Serialize};

use crate::schedule::{DurationError, HumanDuration};

const OFF: &str = "off";

/// How often something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Every {
    /// Never.
    Off,
    /// Each time so much time has passed.
    Interval(HumanDuration),
}

impl TryFrom<String> for Every {
    type Error = DurationError;
    fn try_from(text: String) -> Result<Self, DurationError> {
        if text == OFF { Ok(Self::Off) } else { text.parse().map(Self::Interval) }
    }
}

impl From<Every> for String {
    fn from(every: Every) -> Self {
        match every {
            Every::Off => OFF.to_owned(),
            Every::Interval(interval) => interval.to_string(),
        }
    }
}
