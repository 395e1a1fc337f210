//! The properties that every rotator must have.

use super::{Can, Capabilities};
use crate::{Declaration, Overlap, Probing, Revertible};

/// A property of a rotator that the kit can try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    /// What the rotator declares is what happens.
    DeclarationIsTrue,
    /// Operations that look change nothing.
    LookingChangesNothing,
    /// Preflight fails where any password is let in, and passes elsewhere.
    NegativeControl,
    /// `verify` says that a candidate works when it does, and only then.
    VerifyTellsTheTruth,
    /// `probe` tells candidate, current and random credentials apart, before and after `apply`.
    ProbeTellsTheTruth,
    /// An operation that is repeated leaves what it left.
    RepeatIsHarmless,
    /// `revert` without `apply` leaves the current credential working.
    RevertWithoutApply,
    /// `revert` twice leaves what `revert` left.
    RevertTwice,
    /// A rotation that fails after any step can be unwound.
    UnwindAfterEachStep,
    /// Silence is not an answer, and what was abandoned at its deadline can be cleared up.
    Deadline,
    /// A future that is dropped at any await point locks nobody out and can be cleared up.
    Cancel,
    /// A lost answer is *unknown*.
    ReplyLost,
    /// After `settle` an earlier attempt does nothing any more.
    DeadAttempt,
    /// `retire` ends the old credential and nothing else.
    RetireEndsTheOld,
    /// No text that comes from the rotator holds a secret value.
    NoSecretInTexts,
}

impl Property {
    /// All of them, in the order in which a reader wants to know.
    pub const ALL: [Self; 15] = [
        Self::DeclarationIsTrue,
        Self::LookingChangesNothing,
        Self::NegativeControl,
        Self::VerifyTellsTheTruth,
        Self::ProbeTellsTheTruth,
        Self::RepeatIsHarmless,
        Self::RevertWithoutApply,
        Self::RevertTwice,
        Self::UnwindAfterEachStep,
        Self::Deadline,
        Self::Cancel,
        Self::ReplyLost,
        Self::DeadAttempt,
        Self::RetireEndsTheOld,
        Self::NoSecretInTexts,
    ];

    /// Its stable name in reports.
    pub fn code(self) -> &'static str {
        match self {
            Self::DeclarationIsTrue => "declaration-is-true",
            Self::LookingChangesNothing => "looking-changes-nothing",
            Self::NegativeControl => "negative-control",
            Self::VerifyTellsTheTruth => "verify-tells-the-truth",
            Self::ProbeTellsTheTruth => "probe-tells-the-truth",
            Self::RepeatIsHarmless => "repeat-is-harmless",
            Self::RevertWithoutApply => "revert-without-apply",
            Self::RevertTwice => "revert-twice",
            Self::UnwindAfterEachStep => "unwind-after-each-step",
            Self::Deadline => "deadline",
            Self::Cancel => "cancel",
            Self::ReplyLost => "reply-lost",
            Self::DeadAttempt => "dead-attempt",
            Self::RetireEndsTheOld => "retire-ends-the-old",
            Self::NoSecretInTexts => "no-secret-in-texts",
        }
    }

    /// What a rotator promises by it, for reports.
    pub fn promise(self) -> &'static str {
        match self {
            Self::DeclarationIsTrue => "what is declared about origin and overlap is what happens",
            Self::LookingChangesNothing => "preflight, prepare, verify, probe and settle change no credential",
            Self::NegativeControl => "preflight blocks where a random password is let in, and nowhere else",
            Self::VerifyTellsTheTruth => "verify answers `Works` when the candidate works, and only then",
            Self::ProbeTellsTheTruth => "probe tells candidate, current and random credentials apart",
            Self::RepeatIsHarmless => "every operation may be repeated for the same rotation",
            Self::RevertWithoutApply => "revert is harmless when apply never happened",
            Self::RevertTwice => "revert may be repeated",
            Self::UnwindAfterEachStep => "a rotation that stops after any step can be unwound",
            Self::Deadline => "silence is no answer, and settle and probe tell the truth after a missed deadline",
            Self::Cancel => "an operation that is dropped anywhere locks nobody out",
            Self::ReplyLost => "a lost answer is `Unknown`, and apply may be tried again",
            Self::DeadAttempt => "no earlier attempt acts after settle has answered `Yes`",
            Self::RetireEndsTheOld => "retire ends the old credential and leaves the live one",
            Self::NoSecretInTexts => "no error, hint, finding, log line or `Debug` output holds a secret value",
        }
    }

    /// Why this cannot be tried with such a rig and such a declaration, if so.
    pub(super) fn excuse(self, can: &Capabilities, declared: &Declaration) -> Option<String> {
        let needed = match self {
            Self::NegativeControl => can.accept_anything,
            Self::Deadline => can.freeze,
            Self::ReplyLost => can.lose_reply,
            Self::DeadAttempt => can.hold,
            _ => Can::Yes,
        };
        if let Can::No(reason) = needed {
            return Some(reason.to_owned());
        }
        let undoes = matches!(self, Self::RevertWithoutApply | Self::RevertTwice | Self::UnwindAfterEachStep);
        if undoes && declared.revertible == Revertible::No {
            return Some("the rotator declares no way back".to_owned());
        }
        if self == Self::ProbeTellsTheTruth && declared.probing == Probing::Never {
            return Some("the rotator declares that nothing may be probed".to_owned());
        }
        None
    }
}

/// Whether an old credential must go on to work after `apply`.
pub(super) fn must_overlap(declared: &Declaration) -> bool {
    declared.overlap != Overlap::None && !declared.minting_ends_old
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_property_is_listed_under_a_code_of_its_own() {
        let codes: BTreeSet<_> = Property::ALL.iter().map(|property| property.code()).collect();
        assert_eq!(codes.len(), Property::ALL.len());
        let listed: BTreeSet<_> = Property::ALL.into_iter().collect();
        assert_eq!(listed.len(), Property::NoSecretInTexts as usize + 1);
    }
}
