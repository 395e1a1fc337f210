//! Declarations: targets and secrets as files say them, planned first, then brought about one by one.
//!
//! Applying creates and changes, and never deletes. Values in a declaration are used where something new is made:
//! what is rotated since then is not overwritten by the file that began it. Each step is an operation of its own; a
//! failure ends the run, and running it again goes on where it ended.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    adopt::{self, AdoptSecret, NamedDelivery},
    apply_notices::{DeclaredChannel, DeclaredRoute, DeclaredTracked},
    apply_plan::Compared,
    asked::{Asked, invalid, read_name},
    deliveries::{self, PutDelivery},
    rotate::Refusal,
    schedules::{self, SetSchedule},
    secrets::{self, About, EditSecret, PutSecret},
    targets::{self, PutTarget},
    wire::{Fields, Password},
};
use crate::{
    engine::{Engine, FileSettings, Trouble},
    expiry::LadderText,
    model::{Actor, Material},
    schedule::ScheduleText,
};

/// What is declared.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Declared {
    /// Targets.
    pub target: Vec<DeclaredTarget>,
    /// Secrets, managed ones and others.
    pub secret: Vec<DeclaredSecret>,
    /// What lives elsewhere and expires.
    pub tracked: Vec<DeclaredTracked>,
    /// By which means people are told.
    pub channel: Vec<DeclaredChannel>,
    /// Who is told of what.
    pub route: Vec<DeclaredRoute>,
}

/// A target as it should be.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredTarget {
    /// Its name.
    pub name: String,
    /// The rotator's kind.
    pub rotator: String,
    /// Address, TLS and what else the rotator asks for.
    #[serde(default)]
    pub settings: Value,
    /// The secret that holds the admin credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// How many rotations may work on it at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<i64>,
    /// Codes of promises that are knowingly given up.
    #[serde(default)]
    pub acknowledge: Vec<String>,
    /// The admin's present password, where the address changes; in a file as `@FILE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_password: Option<Password>,
}

/// A secret as it should be.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeclaredSecret {
    /// Its name.
    pub name: String,
    /// The target where it takes effect; none for an unmanaged secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The rotator's settings.
    pub settings: Value,
    /// The account's name in the value; the `role` or first of `roles` of the settings if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The present password, used only where the secret is new; in a file as `@FILE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Whether the present password is not known: the account is then rotated at once.
    pub unknown: bool,
    /// Codes of promises that are knowingly given up.
    pub acknowledge: Vec<String>,
    /// The type of a new secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its labels; others that it carries stay.
    pub tags: BTreeMap<String, String>,
    /// How long the previous version stays valid after a publish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    /// How long a deleted secret can be brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// When the value expires, a date or a time; of a managed secret it is used only where the secret is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The life of each version, such as `90d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    /// When to warn before an expiry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub ladder: Option<LadderText>,
    /// What an expiry does to reads: `warn`, `deactivate`, `deactivate after 2h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<String>,
    /// When it is rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub schedule: Option<ScheduleText>,
    /// Where copies are written after each publish.
    pub delivery: Vec<DeclaredDelivery>,
}

/// A delivery as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredDelivery {
    /// Its name.
    pub name: String,
    /// What is written, and where.
    pub files: FileSettings,
    /// Codes of findings that are knowingly accepted.
    #[serde(default)]
    pub acknowledge: Vec<String>,
}

/// A request to bring about what is declared.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Apply {
    /// What is declared.
    pub declared: Declared,
    /// Whether only the plan is asked for.
    pub dry_run: bool,
    /// Why.
    pub reason: String,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It does not exist and is made.
    Create,
    /// It differs and is changed.
    Change,
    /// It is as declared.
    Keep,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// It would be done.
    Planned,
    /// It is done.
    Done,
    /// It failed, and the run ended with it.
    Failed,
    /// The run ended before it.
    NotReached,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// `target`, `secret`, `channel`, `route` or `tracked`.
    pub what: String,
    /// Its name.
    pub name: String,
    /// What the step does.
    pub action: Action,
    /// What differs, in a few words each; never a value.
    pub changes: Vec<String>,
    /// How far it is.
    pub progress: Progress,
    /// Why it failed.
    pub refusal: Option<Refusal>,
}

/// The plan, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// The steps, in the order in which they are taken.
    pub steps: Vec<StepView>,
    /// Whether all of it is as declared, or would be planned without trouble.
    pub is_complete: bool,
}

/// One thing that is declared.
#[derive(Clone, Copy)]
enum Item<'d> {
    Target(&'d DeclaredTarget),
    Secret(&'d DeclaredSecret),
    Channel(&'d DeclaredChannel),
    Route(&'d DeclaredRoute),
    Tracked(&'d DeclaredTracked),
}

impl Item<'_> {
    fn what(&self) -> (&'static str, &str) {
        match self {
            Self::Target(target) => ("target", &target.name),
            Self::Secret(secret) => ("secret", &secret.name),
            Self::Channel(channel) => ("channel", &channel.name),
            Self::Route(route) => ("route", &route.name),
            Self::Tracked(tracked) => ("tracked", &tracked.name),
        }
    }
}

/// The order: secrets that may be admins or used by channels, those who are told, targets, what takes effect at them.
fn in_order(declared: &Declared) -> Vec<Item<'_>> {
    let plain = declared.secret.iter().filter(|secret| secret.target.is_none()).map(Item::Secret);
    let managed = declared.secret.iter().filter(|secret| secret.target.is_some()).map(Item::Secret);
    let told = declared.channel.iter().map(Item::Channel).chain(declared.route.iter().map(Item::Route));
    let targets = declared.target.iter().map(Item::Target);
    let tracked = declared.tracked.iter().map(Item::Tracked);
    plain.chain(told).chain(targets).chain(managed).chain(tracked).collect()
}

fn refuse_twice<'n>(what: &str, names: impl Iterator<Item = &'n str>) -> Result<(), Trouble> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        read_name(name)?;
        if !seen.insert(name) {
            let sentence = format!("the {what} `{name}` is declared two times");
            return Err(invalid("declared-twice", sentence, "keep one of them"));
        }
    }
    Ok(())
}

/// Compares what is declared with what is, and brings it about unless only the plan is asked for.
///
/// The answer tells of each step; the first that fails ends the run. Errors: `declared-twice`, names that are none,
/// and a store that cannot be read.
pub async fn apply(engine: &Arc<Engine>, actor: &Actor, request: Apply) -> Result<Applied, Trouble> {
    let declared = &request.declared;
    refuse_twice("target", declared.target.iter().map(|target| target.name.as_str()))?;
    let secrets = declared.secret.iter().map(|secret| secret.name.as_str());
    // They share their names.
    refuse_twice("secret", secrets.chain(declared.tracked.iter().map(|tracked| tracked.name.as_str())))?;
    refuse_twice("channel", declared.channel.iter().map(|channel| channel.name.as_str()))?;
    refuse_twice("route", declared.route.iter().map(|route| route.name.as_str()))?;
    let mut steps = Vec::new();
    let mut has_failed = false;
    for item in in_order(declared) {
        let asked = Asked::new(engine, actor);
        let compared = match item {
            Item::Target(target) => asked.compare_target(target).await?,
            Item::Secret(secret) => asked.compare_secret(secret).await?,
            Item::Channel(channel) => asked.compare_channel(channel).await?,
            Item::Route(route) => asked.compare_route(route, &declared.channel).await?,
            Item::Tracked(tracked) => asked.compare_tracked(tracked).await?,
        };
        let (what, name) = item.what();
        let action = compared.action();
        let mut step = StepView {
            what: what.to_owned(),
            name: name.to_owned(),
            action,
            changes: compared.words(),
            progress: if action == Action::Keep { Progress::Done } else { Progress::Planned },
            refusal: None,
        };
        if !request.dry_run && action != Action::Keep {
            step.progress = Progress::NotReached;
            if !has_failed {
                let done = asked.bring_about(item, &compared, &request.reason).await;
                step.progress = if done.is_ok() { Progress::Done } else { Progress::Failed };
                step.refusal = done.err().map(Refusal::from);
                has_failed = step.progress == Progress::Failed;
            }
        }
        steps.push(step);
    }
    Ok(Applied { steps, is_complete: !has_failed })
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        let findings = trouble.findings.iter().map(|found| format!("; `{}`: {}", found.code, found.sentence));
        let sentence = std::iter::once(trouble.sentence).chain(findings).collect();
        Self { code: trouble.code.into_owned(), sentence, hint: trouble.hint }
    }
}

impl Asked {
    async fn bring_about(&self, item: Item<'_>, compared: &Compared, reason: &str) -> Result<(), Trouble> {
        match item {
            Item::Target(target) => {
                let request = target.request(reason);
                targets::put(&self.engine, &self.actor, &target.name, request).await.map(|_| ())
            }
            Item::Secret(secret) => self.bring_about_secret(secret, compared, reason).await,
            Item::Channel(channel) => self.bring_about_channel(channel, reason).await,
            Item::Route(route) => self.bring_about_route(route).await,
            Item::Tracked(tracked) => self.bring_about_tracked(tracked, compared, reason).await,
        }
    }

    async fn bring_about_secret(
        &self,
        secret: &DeclaredSecret,
        compared: &Compared,
        reason: &str,
    ) -> Result<(), Trouble> {
        let (engine, actor, name) = (&self.engine, &self.actor, secret.name.as_str());
        if let (true, Some(target)) = (compared.is_new || compared.account, &secret.target) {
            let request = secret.adoption(target, compared.is_new, reason);
            adopt::adopt(engine, actor, name, request).await?;
            if compared.is_new {
                return Ok(());
            }
        }
        if secret.target.is_none() && (compared.is_new || compared.value) {
            secrets::put(engine, actor, name, secret.put(reason)?).await?;
        } else if compared.about {
            let about = About { expires_at: secret.expires_at.clone().filter(|_| compared.date), ..secret.about() };
            let request = EditSecret { about, reason: reason.to_owned() };
            secrets::edit(engine, actor, name, request).await?;
        }
        if let Some(schedule) = secret.schedule.as_ref().filter(|_| compared.schedule) {
            let acknowledge = secret.acknowledge.clone();
            let request = SetSchedule { schedule: schedule.clone(), acknowledge, reason: reason.to_owned() };
            schedules::set(engine, actor, name, request).await?;
        }
        for delivery in secret.delivery.iter().filter(|delivery| compared.deliveries.contains(&delivery.name)) {
            deliveries::put(engine, actor, name, &delivery.name, delivery.request(reason)).await?;
        }
        Ok(())
    }
}

impl DeclaredTarget {
    fn request(&self, reason: &str) -> PutTarget {
        PutTarget {
            rotator: self.rotator.clone(),
            settings: self.settings.clone(),
            admin: self.admin.clone(),
            parallel: self.parallel,
            acknowledge: self.acknowledge.clone(),
            admin_password: self.admin_password.clone(),
            reason: reason.to_owned(),
        }
    }
}

impl DeclaredDelivery {
    fn request(&self, reason: &str) -> PutDelivery {
        PutDelivery { files: self.files.clone(), acknowledge: self.acknowledge.clone(), reason: reason.to_owned() }
    }
}

impl DeclaredSecret {
    /// What is said about it.
    pub(super) fn about(&self) -> About {
        About {
            owner: self.owner.clone(),
            description: self.description.clone(),
            tags: self.tags.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect(),
            expires_at: self.expires_at.clone(),
            lasts: self.lasts.clone(),
            ladder: self.ladder.clone(),
            on_expiry: self.on_expiry.clone(),
            recovery: self.recovery.clone(),
            overlap: self.overlap.clone(),
        }
    }

    /// The value that the declaration gives, where it gives one.
    pub(super) fn value(&self) -> Option<Material> {
        let password = self.password.as_ref()?.0.expose();
        let role = self.settings["role"].as_str().or_else(|| self.settings["roles"][0].as_str());
        let username = self.username.as_deref().or(role).or_else(|| self.settings["account"].as_str());
        let fields = username.map(|username| ("username", username)).into_iter().chain([("password", password)]);
        Some(Material::of_texts(fields))
    }

    fn adoption(&self, target: &str, is_new: bool, reason: &str) -> AdoptSecret {
        let named = |delivery: &DeclaredDelivery| NamedDelivery {
            name: delivery.name.clone(),
            delivery: delivery.request(reason),
        };
        AdoptSecret {
            target: target.to_owned(),
            settings: self.settings.clone(),
            value: if is_new { self.value().map(Fields) } else { None },
            unknown: is_new && self.unknown,
            acknowledge: self.acknowledge.clone(),
            kind: self.kind.clone(),
            about: About { expires_at: self.expires_at.clone().filter(|_| is_new), ..self.about() },
            schedule: self.schedule.clone().filter(|_| is_new),
            deliveries: if is_new { self.delivery.iter().map(named).collect() } else { Vec::new() },
            reason: reason.to_owned(),
        }
    }

    fn put(&self, reason: &str) -> Result<PutSecret, Trouble> {
        let value = self.value().ok_or_else(|| {
            let sentence = format!("the secret `{}` is new and has no value", self.name);
            invalid("value-missing", sentence, "add `password = \"@FILE\"`, or put it with `keywheel secret put`")
        })?;
        let (kind, about) = (self.kind.clone(), self.about());
        Ok(PutSecret { value: Fields(value), cas: None, kind, about, reason: reason.to_owned() })
    }
}
