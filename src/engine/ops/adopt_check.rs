//! What must hold before an account is adopted: it is looked at from all sides, and nothing is changed.

use std::sync::Arc;

use keywheel_contract::{
    Declaration, Finding, FindingKind, Overlap, Preflight, Probing, Refusal, Seen, Work, verdict_of,
};
use serde_json::Value;

use super::{
    adopt::AdoptSecret,
    asked::{Asked, conflict, invalid},
};
use crate::{
    engine::{
        Kind, Trouble,
        call::{Call, Right},
    },
    model::{Material, Name, RotationId, Secret, Target, Version},
};

/// The code of the finding that an account is adopted without its password.
pub(super) const UNKNOWN: &str = "unknown-password";
/// The code of the finding that nothing brings new values to the application.
pub(super) const NO_DELIVERY: &str = "no-delivery";

/// The finding that a secret without overlap has no delivery.
pub(super) fn no_delivery(declared: &Declaration, deliveries: usize) -> Option<Finding> {
    (declared.overlap == Overlap::None && deliveries == 0).then(|| Finding {
        code: NO_DELIVERY.to_owned(),
        kind: FindingKind::NeedsAcknowledgement,
        sentence: "the old value ends when the new one begins, and no delivery brings it to the application".to_owned(),
        hint: "add a delivery, or acknowledge that the application fetches it by itself".to_owned(),
    })
}

fn unknown_password() -> Finding {
    Finding {
        code: UNKNOWN.to_owned(),
        kind: FindingKind::NeedsAcknowledgement,
        sentence: "the present password is not known: it is replaced at once, and there is no way back to it"
            .to_owned(),
        hint: "give the present password, or acknowledge".to_owned(),
    }
}

fn not_probed() -> Finding {
    Finding {
        code: "not-probed".to_owned(),
        kind: FindingKind::NeedsAcknowledgement,
        sentence: "a try of the present value would have an effect at the target, so it is taken on trust".to_owned(),
        hint: "acknowledge".to_owned(),
    }
}

/// What a look at a candidate for adoption found.
pub(super) struct Looked {
    pub(super) identity: String,
    pub(super) declared: Declaration,
    pub(super) preflight: Preflight,
    pub(super) settings: Value,
    /// Whether the value that was current before is refused now; none where there was none or it was not tried.
    pub(super) old: Option<Seen>,
}

/// What is to be looked at.
pub(super) struct Candidate<'a> {
    pub(super) name: &'a Name,
    pub(super) existing: Option<&'a Secret>,
    pub(super) current: Option<&'a Version>,
    pub(super) target: &'a Target,
    pub(super) value: Option<&'a Material>,
}

/// Writes into the settings that the account administers its own target.
fn with_self_managed(request: &AdoptSecret, candidate: &Candidate<'_>) -> Result<Value, Trouble> {
    let mut settings = match &request.settings {
        Value::Null => candidate.existing.map_or_else(|| Value::Object(serde_json::Map::new()), |s| s.settings.clone()),
        given => given.clone(),
    };
    let Some(fields) = settings.as_object_mut() else {
        return Err(invalid("settings-invalid", "`settings` must be an object", "write `--set key=value`"));
    };
    if candidate.target.admin.as_ref() == Some(candidate.name) {
        fields.entry("self_managed").or_insert(Value::Bool(true));
    }
    Ok(settings)
}

impl Asked {
    /// Asks the rotator and the target everything that must hold. Changes nothing.
    pub(super) async fn look_before_adopting(
        &self,
        request: &AdoptSecret,
        candidate: &Candidate<'_>,
        next_due_at: Option<i64>,
    ) -> Result<Looked, Trouble> {
        let rotator = self.engine.rotators.find(&candidate.target.rotator)?;
        let settings = with_self_managed(request, candidate)?;
        let declared = rotator.declare(&candidate.target.settings, &settings)?;
        let identity = match candidate.value {
            Some(value) => rotator.identity(&settings, value)?,
            None => String::new(),
        };
        let call = Call {
            right: Right::Look,
            engine: Arc::clone(&self.engine),
            rotator,
            target: self.engine.resolve_target(candidate.target).await?,
            work: Work {
                rotation: self.engine.mint(RotationId::mint),
                secret: candidate.name.to_string(),
                settings: settings.clone(),
                current: candidate.value.cloned(),
                next_due_at,
            },
        };
        let mut asks = Vec::new();
        match candidate.value {
            // Nothing is lost where old and new are valid independently of each other.
            None if declared.overlap == Overlap::Certificate => {}
            None => asks.push(unknown_password()),
            Some(_) if declared.probing != Probing::Any => asks.push(not_probed()),
            Some(value) => check_login(&call, candidate, value).await?,
        }
        let old = self.look_at_old(&call, candidate, &declared).await?;
        let mut preflight = call.preflight().await?;
        preflight.findings.extend(asks);
        Ok(Looked { identity, declared, preflight, settings, old })
    }

    /// Tries the value that was current before, where another one takes its place.
    async fn look_at_old(
        &self,
        call: &Call,
        candidate: &Candidate<'_>,
        declared: &Declaration,
    ) -> Result<Option<Seen>, Trouble> {
        let Some(current) = candidate.current else { return Ok(None) };
        let is_replaced = candidate.value.is_some_and(|value| !self.has_value(current, value));
        if !is_replaced || declared.probing != Probing::Any || current.token.is_none() {
            return Ok(None);
        }
        let seen = verdict_of(&call.probe(self.engine.open(current)?).await?);
        if let Seen::Unreachable { because } = &seen {
            return Err(unreachable(candidate.target, because));
        }
        Ok(Some(seen))
    }

    /// Refuses what blocks, and what must be acknowledged and is not. Tells whether the secret has new
    /// acknowledgements; those whose finding has changed are void and go.
    pub(super) fn acknowledge(
        &self,
        secret: &mut Secret,
        findings: &[Finding],
        codes: &[String],
    ) -> Result<bool, Trouble> {
        let of_kind = |kind| findings.iter().filter(move |found: &&Finding| found.kind == kind).cloned();
        let blocks: Vec<Finding> = of_kind(FindingKind::Blocks).collect();
        if let Some(first) = blocks.first() {
            let trouble = conflict("preflight-blocked", first.sentence.clone(), first.hint.clone());
            return Err(trouble.with_findings(blocks));
        }
        let is_known = |found: &Finding| secret.acknowledges(&found.code, &found.sentence);
        let open: Vec<Finding> = of_kind(FindingKind::NeedsAcknowledgement).filter(|f| !is_known(f)).collect();
        let (given, missing): (Vec<_>, Vec<_>) = open.into_iter().partition(|found| codes.contains(&found.code));
        if !missing.is_empty() {
            let list = missing.iter().map(|found| format!("`{}`", found.code)).collect::<Vec<_>>().join(", ");
            let flags = missing.iter().map(|found| format!("--acknowledge {}", found.code)).collect::<Vec<_>>();
            let sentence = format!("promises would be given up: {list}");
            let hint = format!("mend what the findings name, or repeat it with `{}`", flags.join(" "));
            let trouble = Trouble::new(Kind::NeedsAcknowledgement, "acknowledgement-needed", sentence, hint);
            return Err(trouble.with_findings(missing));
        }
        for found in &given {
            secret.acknowledged.retain(|old| old.code != found.code);
            secret.acknowledged.push(self.acknowledgement(&found.code, &found.sentence));
        }
        Ok(!given.is_empty())
    }
}

fn unreachable(target: &Target, because: &str) -> Trouble {
    let sentence = format!("the target `{}` did not say whether the value is accepted: {because}", target.name);
    Trouble::new(Kind::Unavailable, "target-unreachable", sentence, "see that the target can be reached, then repeat")
}

/// Tries a value at the target: it must be accepted where answers decide.
async fn check_login(call: &Call, candidate: &Candidate<'_>, value: &Material) -> Result<(), Trouble> {
    let observations = call.probe(value.clone()).await?;
    match verdict_of(&observations) {
        Seen::Works => Ok(()),
        Seen::Unreachable { because } => Err(unreachable(candidate.target, &because)),
        Seen::Refused { refusal } => {
            let what = match refusal {
                Refusal::WrongCredential => "refuses the value: it is not the one that the account has",
                Refusal::Expired => "refuses the value: it, or its account, is past its end",
                Refusal::Locked => "refuses the value: the account is locked",
                Refusal::Barred => "does not let this account in, whatever the value",
            };
            let sentence = format!("the target `{}` {what}", candidate.target.name);
            let hint = "give the present password, or start with `--unknown`";
            Err(Trouble::new(Kind::Refused, "value-refused", sentence, hint))
        }
    }
}

/// Marks the findings that a target's own acknowledgements cover, so that they are not asked for again.
pub(super) fn covered_by_target(target: &Target, findings: &mut [Finding]) {
    for found in findings.iter_mut().filter(|found| found.kind == FindingKind::NeedsAcknowledgement) {
        let covers =
            |code: &str, sentence: &str| code == found.code && (sentence.is_empty() || sentence == found.sentence);
        if target.acknowledged.iter().any(|given| covers(&given.code, &given.sentence)) {
            found.kind = FindingKind::Note;
        }
    }
}
