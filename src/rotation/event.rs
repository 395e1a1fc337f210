//! What may be recorded of a rotation. Every variant is a fact in the past, written in the transaction of what it
//! tells; none holds a secret value.

use keywheel_contract::{Decision, Failure, Seen};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{OccurrenceId, TargetId, VersionId};

/// Why something failed, as it is told to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// A stable kebab-case code.
    pub code: String,
    /// What failed, and on what.
    pub sentence: String,
    /// What solves it.
    pub hint: String,
}

impl Because {
    /// A reason of keywheel's own.
    pub fn new(code: &str, sentence: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.to_owned(), sentence: sentence.into(), hint: hint.into() }
    }
}

impl From<&Failure> for Because {
    fn from(failure: &Failure) -> Self {
        Self::new(failure.code, &failure.sentence, &failure.hint)
    }
}

/// What a failed call may have done, as it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// Nothing changed; the same call may work later.
    Transient,
    /// Nothing changed; the same call will not work.
    Refused,
    /// It may have happened.
    Unknown,
    /// Nothing changed until a person changes something.
    Misconfigured,
}

impl From<&Decision> for FailureClass {
    fn from(decision: &Decision) -> Self {
        match decision {
            Decision::Transient { .. } => Self::Transient,
            Decision::Refused => Self::Refused,
            Decision::Unknown => Self::Unknown,
            Decision::Misconfigured { .. } => Self::Misconfigured,
        }
    }
}

/// The first event: what the rotation uses to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The occurrences that it works for.
    pub occurrences: Vec<OccurrenceId>,
    /// The secret's revision when it was planned.
    pub revision: i64,
    /// The rotator's kind.
    pub rotator: String,
    /// The target.
    pub target: TargetId,
    /// Where credentials are sent, as it was when the rotation was planned.
    pub endpoints: Value,
    /// The rotator's settings of the secret.
    pub settings: Value,
    /// The version in use before; none for a secret adopted without a known value.
    pub current: Option<VersionId>,
    /// The kept version whose value becomes the candidate again: a rollback of a finished rotation.
    pub candidate_from: Option<VersionId>,
    /// When the rotation after this one is due, in microseconds since 1970.
    pub next_due_at: Option<i64>,
}

/// Which value an operator keeps for a stuck rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "keep")]
pub enum Keep {
    /// This version is the one that the target accepts.
    Version {
        /// The version.
        version: VersionId,
    },
    /// None of the stored ones.
    Nothing,
}

/// What may be recorded, in the order of a rotation's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "facts")]
pub enum Recorded {
    /// The rotation began.
    Planned(Planned),
    /// A candidate was made and is durable. May recur after a refusal, with another candidate.
    Sealed {
        /// The candidate's version.
        version: VersionId,
        /// Who it is at the target.
        identity: String,
    },
    /// The target is about to be changed; written before the call.
    Applying {
        /// 1 for the first.
        attempt: u32,
    },
    /// The target acknowledged the change.
    Applied {
        /// Of which attempt.
        attempt: u32,
    },
    /// The attempt failed.
    ApplyFailed {
        /// Which attempt.
        attempt: u32,
        /// What may have happened.
        class: FailureClass,
        /// Why.
        because: Because,
        /// Not before this time again, in microseconds since 1970.
        not_before: i64,
    },
    /// Another claim goes on with a rotation whose last call has no recorded answer.
    TakenOver {
        /// The fence of the claim that goes on.
        fence: i64,
    },
    /// No earlier attempt can act at the target any more.
    Settled,
    /// The credentials were tried at the target.
    Probed {
        /// What the candidate met.
        candidate: Seen,
        /// What the version in use before met; none where there is none.
        current: Option<Seen>,
        /// An older kept version that the target accepts, looked for when both were refused.
        older: Option<VersionId>,
    },
    /// The candidate was really used at every endpoint.
    Verified {
        /// The endpoints.
        endpoints: Vec<String>,
    },
    /// The candidate could not be used in time.
    VerifyFailed {
        /// Why.
        because: Because,
    },
    /// An operator asked for the way back.
    RollbackRequested {
        /// Why.
        because: Because,
    },
    /// It turned around because an operator asked for it.
    TurnedBack {
        /// Why.
        because: Because,
    },
    /// The target is about to be put back; written before the call.
    Reverting {
        /// 1 for the first.
        attempt: u32,
    },
    /// The target accepts what it accepted before.
    Reverted,
    /// It could not be put back yet.
    RevertFailed {
        /// Which attempt.
        attempt: u32,
        /// What may have happened.
        class: FailureClass,
        /// Why.
        because: Because,
        /// Not before this time again, in microseconds since 1970.
        not_before: i64,
    },
    /// The candidate is current: the end.
    Published {
        /// The version.
        version: VersionId,
        /// Its number.
        number: i64,
    },
    /// Nothing has changed after all: the end.
    Unwound {
        /// Why.
        because: Because,
    },
    /// It can go neither forward nor back without a person. Every candidate is kept.
    Stuck {
        /// Why.
        because: Because,
    },
    /// An operator asked to look again at a stuck rotation.
    Retried,
    /// An operator decided: the end.
    Resolved {
        /// What is kept.
        choice: Keep,
        /// Whether it was seen to log in.
        verified: bool,
    },
}
