//! Adopting an account that exists at a target: from then on keywheel rotates it. The target is untouched.

use std::sync::Arc;

use keywheel_contract::{Finding, FindingKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    adopt_check::{Candidate, Looked, covered_by_target, no_delivery},
    asked::{Asked, conflict, invalid, read_name, refuse_deleted, refuse_in_rotation},
    deliveries::{PutDelivery, check, read_delivery_name},
    schedules::read_schedule,
    secrets::About,
    views::FindingView,
    wire::{Fields, Moment},
};
use crate::{
    clock::micros,
    engine::{Engine, Trouble},
    model::{Actor, Material, Name, Secret, Target, Version},
    schedule::{NextDue, Schedule, ScheduleText, next_due},
    store::{delivery, version},
};

/// An account to be adopted, or the settings or value of an adopted one to be taken anew.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdoptSecret {
    /// The target where the account lives.
    pub target: String,
    /// The rotator's settings, such as role and strategy; those of the adopted secret if they are not given.
    pub settings: Value,
    /// The present value, which must log in; the current one of an existing secret if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Fields>,
    /// Whether the present value is not known: the account is then rotated at once, which is to be acknowledged.
    pub unknown: bool,
    /// Codes of promises that are knowingly given up.
    pub acknowledge: Vec<String>,
    /// The type of a new secret; `password` if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What is said about it.
    pub about: About,
    /// When it is rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub schedule: Option<ScheduleText>,
    /// Where copies are written after each publish, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<NamedDelivery>,
    /// Why.
    pub reason: String,
}

/// A delivery and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedDelivery {
    /// Its name.
    pub name: String,
    /// What is written, and where.
    pub delivery: PutDelivery,
}

/// The answer to an adoption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Adopted {
    /// The secret's name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Whether the secret is new.
    pub is_new: bool,
    /// Who it is at the target; empty while the value is not known.
    pub identity: String,
    /// The number of the current version; none while the value is not known.
    pub version: Option<i64>,
    /// What a rotation would change, with values masked.
    pub changes: Vec<String>,
    /// What was found.
    pub findings: Vec<FindingView>,
    /// The request for the first rotation, where the value is not known.
    pub occurrence: Option<String>,
    /// When the next rotation is due.
    pub next_due_at: Option<Moment>,
}

/// What an adoption begins with, as it was read before the target was asked.
pub(super) struct Ground {
    pub(super) name: Name,
    pub(super) target: Target,
    pub(super) existing: Option<Secret>,
    pub(super) current: Option<Version>,
    /// The value that must log in; none where it is not known.
    pub(super) value: Option<Material>,
    pub(super) deliveries: usize,
    pub(super) schedule: Option<Schedule>,
}

/// Adopts an account: its value must log in, preflight must find nothing in the way, and what gives up a promise must
/// be acknowledged.
///
/// For an existing unmanaged secret its current value is taken where none is given; for a managed one settings or
/// value are taken anew. Errors: what the rotator says about the settings; `value-refused`, `target-unreachable`,
/// `preflight-blocked`, `acknowledgement-needed`, `secret-deleted`, `rotation-running`, `value-missing`,
/// `other-target`; `changed-meanwhile` where target or secret changed while the target was asked.
pub async fn adopt(engine: &Arc<Engine>, actor: &Actor, name: &str, request: AdoptSecret) -> Result<Adopted, Trouble> {
    let asked = Asked::new(engine, actor);
    let ground = asked.ground(name, &request).await?;
    let candidate = Candidate {
        name: &ground.name,
        existing: ground.existing.as_ref(),
        current: ground.current.as_ref(),
        target: &ground.target,
        value: ground.value.as_ref(),
    };
    let next_due_at = asked.first_due(&ground);
    let mut looked = asked.look_before_adopting(&request, &candidate, next_due_at).await?;
    let findings = all_findings(&ground, &mut looked, &request);
    let (ground, looked) = (Arc::new(ground), Arc::new(looked));
    let asked_again = Asked::new(engine, actor);
    asked_again
        .write(move |asked, tx| {
            Box::pin(async move { asked.write_adoption(tx, &ground, &looked, findings, request).await })
        })
        .await
}

fn all_findings(ground: &Ground, looked: &mut Looked, request: &AdoptSecret) -> Vec<Finding> {
    let mut findings = std::mem::take(&mut looked.preflight.findings);
    findings.extend(no_delivery(&looked.declared, ground.deliveries + request.deliveries.len()));
    covered_by_target(&ground.target, &mut findings);
    findings
}

/// What is shown of findings: all of them, those that were asked for as acknowledged.
pub(super) fn shown(findings: &[Finding]) -> Vec<FindingView> {
    findings.iter().map(|found| FindingView::of(found, found.kind == FindingKind::NeedsAcknowledgement)).collect()
}

impl Asked {
    async fn ground(&self, name: &str, request: &AdoptSecret) -> Result<Ground, Trouble> {
        let name = read_name(name)?;
        let schedule = request.schedule.as_ref().map(read_schedule).transpose()?;
        for named in &request.deliveries {
            read_delivery_name(&named.name)?;
            check(&self.engine, &named.delivery)?;
        }
        let tx = &mut self.engine.store.read().await?;
        let target = self.load_target(tx, &request.target).await?;
        let existing = self.find_secret(tx, &name).await?;
        let (mut current, mut deliveries) = (None, 0);
        if let Some(secret) = &existing {
            refuse_deleted(secret)?;
            refuse_in_rotation(secret)?;
            refuse_other_target(secret, &target)?;
            current = version::find_current(tx, self.keyring(), self.tenant(), &secret.id).await?;
            deliveries = delivery::list(tx, self.tenant(), &secret.id).await?.len();
        }
        let value = match (&request.value, request.unknown, &current) {
            (Some(_), true, _) => {
                let sentence = "a value was given, and it is said to be unknown";
                return Err(invalid("value-and-unknown", sentence, "leave one of them out"));
            }
            (Some(value), false, _) => Some(value.0.clone()),
            (None, true, _) => None,
            (None, false, Some(current)) => Some(self.engine.open(current)?),
            (None, false, None) => {
                let sentence = format!("the present value of `{name}` is missing");
                return Err(invalid("value-missing", sentence, "give it, or start without one: `--unknown`"));
            }
        };
        Ok(Ground { name, target, existing, current, value, deliveries, schedule })
    }

    /// When the first rotation will be due, for rotators that let credentials end by it.
    fn first_due(&self, ground: &Ground) -> Option<i64> {
        let schedule = ground.schedule.as_ref()?;
        let unborn = self.new_secret(ground.name.clone(), "password");
        let secret = ground.existing.as_ref().unwrap_or(&unborn);
        match next_due(&schedule.compile(), &self.due_context(secret, ground.current.as_ref(), self.now)) {
            NextDue::At(due) => Some(micros(due.at)),
            NextDue::Never(_) => None,
        }
    }
}

fn refuse_other_target(secret: &Secret, target: &Target) -> Result<(), Trouble> {
    match &secret.target {
        Some(id) if *id != target.id => {
            let sentence = format!("`{}` takes effect at another target than `{}`", secret.name, target.name);
            Err(conflict("other-target", sentence, "adopt the account under another name"))
        }
        _ => Ok(()),
    }
}
