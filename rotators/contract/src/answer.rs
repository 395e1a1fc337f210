//! What operations answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Material;

/// Where a rotator's credentials come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// keywheel makes the value and brings it to the target.
    MintedHere,
    /// The target makes the value and hands it out.
    IssuedByTarget,
}

/// What lets an old and a new credential be valid at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// Two accounts take turns.
    TwoRoles,
    /// One account holds two keys.
    TwoKeys,
    /// One account holds two passwords.
    TwoPasswords,
    /// Certificates are valid independently of each other.
    Certificate,
    /// Nothing: the old credential ends when the new one begins. Must be acknowledged.
    None,
}

/// Which credentials a probe may be made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probing {
    /// Any: a probe has no effect.
    Any,
    /// The candidate alone; a probe with an old credential has an effect (some providers end the family).
    CandidateOnly,
    /// None.
    Never,
}

/// Whether an applied change can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revertible {
    /// `revert` restores what was before.
    Yes,
    /// There is no way back; preflight says so and asks.
    No,
}

/// What a rotator declares for given settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// Where the credential comes from.
    pub origin: Origin,
    /// What overlap there is.
    pub overlap: Overlap,
    /// Which probes are safe.
    pub probing: Probing,
    /// Whether making a new credential ends the old one.
    pub minting_ends_old: bool,
    /// Whether there is a way back.
    pub revertible: Revertible,
    /// After how many refusals the account locks, where it does.
    pub locks_after: Option<u32>,
}

/// The outcome of one check of a preflight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not be looked at.
    Skipped,
}

/// One check of a preflight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked, in a few words.
    pub name: String,
    /// How it went.
    pub outcome: CheckOutcome,
    /// What was found.
    pub detail: String,
}

/// What a finding asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Nothing can be rotated until it is mended.
    Blocks,
    /// A promise is given up; goes on once it is acknowledged by its code.
    NeedsAcknowledgement,
    /// Worth knowing.
    Note,
}

/// Something that stands in the way, or a promise that a setting gives up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable kebab-case code, such as `no-overlap`.
    pub code: String,
    /// What it asks for.
    pub kind: FindingKind,
    /// What was found. An acknowledgement is void when this changes, so it names facts and no moments.
    pub sentence: String,
    /// What to do about it.
    pub hint: String,
}

/// What a rotation would do, found without changing anything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preflight {
    /// What was checked.
    pub checks: Vec<Check>,
    /// The exact changes, with values masked.
    pub changes: Vec<String>,
    /// What stands in the way.
    pub findings: Vec<Finding>,
}

/// The answer of `prepare`.
#[derive(Debug)]
pub enum Prepared {
    /// The candidate, to be sealed before it is used.
    Minted {
        /// The value.
        material: Material,
        /// Who it is at the target (a role, a key id), not secret.
        identity: String,
    },
    /// The target will issue it in `apply`.
    IssuedByTarget,
}

/// The answer of `apply`.
#[derive(Debug)]
pub struct Applied {
    /// The material and its identity at the target, where the target issued it.
    pub issued: Option<(Material, String)>,
}

/// The answer of `verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The candidate was really used, over fresh connections, at each of these endpoints.
    Works {
        /// The endpoints that accepted it.
        endpoints: Vec<String>,
    },
    /// Not yet; the engine polls until the verification's deadline.
    NotYet {
        /// When to look again.
        look_again_in: Duration,
        /// What is missing.
        because: String,
    },
}

/// Whether an endpoint's answer decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Changes are made here: its answer decides.
    Deciding,
    /// It learns of changes later: its refusal is *not yet*.
    Following,
}

/// Why a credential was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The credential is not the one that the target knows.
    WrongCredential,
    /// The credential, or its account, is past its end.
    Expired,
    /// The account is locked after too many tries.
    Locked,
    /// The target does not let this account in, whatever the credential.
    Barred,
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "seen")]
pub enum Seen {
    /// The credential is accepted.
    Works,
    /// It is refused.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// No answer that says either.
    Unreachable {
        /// What happened instead.
        because: String,
    },
}

/// What a probe saw at one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The endpoint, for messages.
    pub endpoint: String,
    /// Whether its answer decides.
    pub standing: Standing,
    /// What was seen.
    pub seen: Seen,
}

/// Folds observations of one credential into what is known of it: a refusal at a deciding endpoint counts first,
/// then silence there, else it works. Followers never decide; without a deciding endpoint nothing is known.
pub fn verdict_of(observations: &[Observation]) -> Seen {
    let deciding: Vec<&Seen> =
        observations.iter().filter(|o| o.standing == Standing::Deciding).map(|o| &o.seen).collect();
    let refused = deciding.iter().find(|seen| matches!(seen, Seen::Refused { .. }));
    let silent = deciding.iter().find(|seen| matches!(seen, Seen::Unreachable { .. }));
    match refused.or(silent) {
        Some(seen) => (**seen).clone(),
        None if deciding.is_empty() => Seen::Unreachable { because: "no deciding endpoint was asked".to_owned() },
        None => Seen::Works,
    }
}

/// The answer of `settle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// No earlier attempt of this rotation can still act.
    Yes,
    /// An earlier attempt may still act.
    NotYet {
        /// When to look again.
        look_again_in: Duration,
        /// What still lives.
        because: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saw(standing: Standing, seen: Seen) -> Observation {
        Observation { endpoint: "e".into(), standing, seen }
    }

    fn refused() -> Seen {
        Seen::Refused { refusal: Refusal::WrongCredential }
    }

    #[test]
    fn a_deciding_refusal_outweighs_everything() {
        let silent = Seen::Unreachable { because: "x".into() };
        let seen = [saw(Standing::Deciding, silent), saw(Standing::Deciding, refused())];
        assert_eq!(verdict_of(&seen), refused());
    }

    #[test]
    fn a_follower_never_decides() {
        assert_eq!(
            verdict_of(&[saw(Standing::Deciding, Seen::Works), saw(Standing::Following, refused())]),
            Seen::Works
        );
        assert!(matches!(verdict_of(&[saw(Standing::Following, Seen::Works)]), Seen::Unreachable { .. }));
    }
}
