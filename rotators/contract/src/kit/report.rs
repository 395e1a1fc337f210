//! What the kit found.

use std::fmt;

use super::{Property, RigError};

/// Whose fault a violation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The rotator breaks the contract.
    Rotator,
    /// The rig could not do what it promised: nothing is known about the rotator.
    Rig,
}

/// A property that did not hold, or could not be looked at. Holds no secret value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found}")]
pub struct Violation {
    /// Whose fault it is.
    pub cause: Cause,
    /// What was seen, and when.
    pub found: String,
}

impl Violation {
    pub(super) fn of_rotator(found: impl Into<String>) -> Self {
        Self { cause: Cause::Rotator, found: found.into() }
    }

    pub(super) fn of_rig(found: impl Into<String>) -> Self {
        Self { cause: Cause::Rig, found: found.into() }
    }
}

impl From<RigError> for Violation {
    fn from(error: RigError) -> Self {
        Self::of_rig(format!("the rig failed: {error}"))
    }
}

/// How one property went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It held.
    Passed,
    /// It did not.
    Failed(Violation),
    /// It could not be tried, for this reason.
    Skipped(String),
}

/// How all properties went, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The kind of the rotator that was tried.
    pub kind: &'static str,
    /// Each property with its outcome.
    pub outcomes: Vec<(Property, Outcome)>,
}

impl Report {
    /// The properties that held.
    pub fn passed(&self) -> impl Iterator<Item = Property> {
        self.outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::Passed).map(|(property, _)| *property)
    }

    /// The properties that did not hold, and what was seen.
    pub fn failed(&self) -> impl Iterator<Item = (Property, &Violation)> {
        self.outcomes.iter().filter_map(|(property, outcome)| match outcome {
            Outcome::Failed(violation) => Some((*property, violation)),
            Outcome::Passed | Outcome::Skipped(_) => None,
        })
    }

    /// The properties that could not be tried, and why.
    pub fn skipped(&self) -> impl Iterator<Item = (Property, &str)> {
        self.outcomes.iter().filter_map(|(property, outcome)| match outcome {
            Outcome::Skipped(reason) => Some((*property, reason.as_str())),
            Outcome::Passed | Outcome::Failed(_) => None,
        })
    }

    /// Whether no property failed.
    pub fn is_clean(&self) -> bool {
        self.failed().next().is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (property, outcome) in &self.outcomes {
            match outcome {
                Outcome::Passed => writeln!(f, "passed   {}", property.code())?,
                Outcome::Skipped(reason) => writeln!(f, "skipped  {}: {reason}", property.code())?,
                Outcome::Failed(violation) => {
                    writeln!(f, "FAILED   {}: {violation}", property.code())?;
                    writeln!(f, "         promised: {}", property.promise())?;
                }
            }
        }
        let (passed, failed, skipped) = (self.passed().count(), self.failed().count(), self.skipped().count());
        write!(f, "rotator `{}`: {passed} passed, {failed} failed, {skipped} skipped", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_failed_and_what_was_promised() {
        let report = Report {
            kind: "fake",
            outcomes: vec![
                (Property::RepeatIsHarmless, Outcome::Passed),
                (Property::RevertTwice, Outcome::Failed(Violation::of_rotator("the current is refused"))),
                (Property::ReplyLost, Outcome::Skipped("no proxy".to_owned())),
            ],
        };
        let text = report.to_string();
        for part in ["FAILED   revert-twice: the current is refused", "promised: ", "reply-lost: no proxy"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.ends_with("1 passed, 1 failed, 1 skipped") && !report.is_clean(), "{text}");
    }
}
