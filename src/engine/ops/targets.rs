//! Targets: where credentials take effect. They hold no credential themselves: they name a secret as their admin.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    asked::{Asked, Told, conflict, invalid, read_name, refuse_deleted},
    pki::certificates::ROTATOR,
    views::AcknowledgementView,
    wire::{Moment, Password},
};
use crate::{
    engine::{Engine, Kind, Trouble},
    model::{Actor, Breaker, Material, Name, Target, TargetId},
    store::{Tx, agenda, alert, secret, target, version},
};

/// The most rotations that may work on one target at a time.
const MOST_PARALLEL: i64 = 256;

/// A target as somebody wants it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutTarget {
    /// The rotator's kind, such as `postgres`.
    pub rotator: String,
    /// Address, TLS and what else the rotator asks for.
    #[serde(default)]
    pub settings: Value,
    /// The secret that holds the admin credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// How many rotations may work on it at a time, 1 to 256; the daemon's default if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<i64>,
    /// Codes of promises that are knowingly given up, such as `no-tls`.
    #[serde(default)]
    pub acknowledge: Vec<String>,
    /// The admin's present password, needed again when the address, TLS or the admin changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_password: Option<Password>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A target as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The rotator's kind.
    pub rotator: String,
    /// Address, TLS and what else the rotator asks for.
    pub settings: Value,
    /// The secret that holds the admin credential.
    pub admin: Option<String>,
    /// How many rotations may work on it at a time.
    pub parallel: i64,
    /// Whether it is being worked with: `closed`, `failing` or `open` with what failed.
    pub breaker: Value,
    /// Promises that were knowingly given up.
    pub acknowledged: Vec<AcknowledgementView>,
    /// How many secrets take effect there.
    pub secrets: usize,
    /// When it was made.
    pub created_at: Moment,
    /// Who made it.
    pub created_by: String,
    /// Grows by one with each change.
    pub revision: i64,
}

/// The answer to a put.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetPut {
    /// Whether it is new.
    pub is_new: bool,
    /// The target.
    pub target: TargetView,
}

fn view(target: &Target, secrets: usize) -> TargetView {
    TargetView {
        id: target.id.to_string(),
        name: target.name.to_string(),
        rotator: target.rotator.clone(),
        settings: target.settings.clone(),
        admin: target.admin.as_ref().map(Name::to_string),
        parallel: target.parallel,
        breaker: json!(target.breaker),
        acknowledged: target.acknowledged.iter().map(AcknowledgementView::from).collect(),
        secrets,
        created_at: target.created_at.into(),
        created_by: target.created_by.to_string(),
        revision: target.revision,
    }
}

/// Creates a target, or changes the one of that name.
///
/// Errors: `unknown-rotator`, what the rotator says about the address, `admin-missing`, `parallel-out-of-bounds`,
/// `rotator-in-use`; `admin-credential-needed` when the admin's credential would go to another address.
pub async fn put(engine: &Arc<Engine>, actor: &Actor, name: &str, request: PutTarget) -> Result<TargetPut, Trouble> {
    let name = read_name(name)?;
    let rotator = engine.rotators.find(&request.rotator)?;
    rotator.address(&request.settings)?;
    if !request.parallel.is_none_or(|parallel| (1..=MOST_PARALLEL).contains(&parallel)) {
        let sentence = format!("`parallel` must be 1 to {MOST_PARALLEL}");
        return Err(invalid("parallel-out-of-bounds", sentence, "leave it out for the daemon's default"));
    }
    let asked = Asked::new(engine, actor);
    asked.write(move |asked, tx| Box::pin(async move { asked.put_target(tx, name, request).await })).await
}

impl Asked {
    async fn put_target(&self, tx: &mut Tx, name: Name, request: PutTarget) -> Result<TargetPut, Trouble> {
        let admin = request.admin.as_deref().map(read_name).transpose()?;
        if let Some(admin) = &admin {
            refuse_deleted(&self.load_admin(tx, admin).await?)?;
        }
        let found = target::find_by_name(tx, self.keyring(), self.tenant(), &name).await?;
        let is_new = found.is_none();
        let mut wanted = found.clone().unwrap_or_else(|| self.new_target(name));
        wanted.rotator.clone_from(&request.rotator);
        wanted.settings.clone_from(&request.settings);
        wanted.admin = admin;
        wanted.parallel = request.parallel.unwrap_or(wanted.parallel);
        let moved = match &found {
            Some(old) => self.check_change(tx, old, &wanted, &request).await?,
            None => false,
        };
        wanted.acknowledged.retain(|given| !moved && !request.acknowledge.contains(&given.code));
        wanted.acknowledged.extend(request.acknowledge.iter().map(|code| self.acknowledgement(code, "")));
        self.refuse_shared_install(tx, &wanted).await?;
        let used_by = secret::list_of_target(tx, self.keyring(), self.tenant(), &wanted.id).await?;
        let written = if is_new {
            target::insert(tx, self.keyring(), &wanted).await?
        } else {
            agenda::lock(tx, wanted.id.as_str()).await?;
            target::update(tx, self.keyring(), &mut wanted).await?
        };
        let facts = json!({
            "v": 1, "name": wanted.name, "is_new": is_new, "rotator": wanted.rotator, "settings": wanted.settings,
            "admin": wanted.admin, "parallel": wanted.parallel, "is_moved": moved, "acknowledged": request.acknowledge,
        });
        let told = Told {
            subject: wanted.id.as_str(),
            kind: "target.put",
            facts,
            reason: &request.reason,
            written: vec![written],
            rotation: None,
        };
        self.append(tx, told).await?;
        for secret in &used_by {
            agenda::pull(tx, secret.id.as_str(), self.now).await?;
        }
        Ok(TargetPut { is_new, target: view(&wanted, used_by.len()) })
    }

    /// Refuses a folder that another target installs into: each would take the other's certificate away.
    async fn refuse_shared_install(&self, tx: &mut Tx, wanted: &Target) -> Result<(), Trouble> {
        let Some(install) = wanted.settings.get("install").filter(|_| wanted.rotator == ROTATOR) else {
            return Ok(());
        };
        let all = target::list(tx, self.keyring(), self.tenant()).await?;
        let other = all.iter().find(|other| {
            other.id != wanted.id && other.rotator == ROTATOR && other.settings.get("install") == Some(install)
        });
        let Some(other) = other else { return Ok(()) };
        let sentence = format!("the target `{}` installs into {install} already", other.name);
        Err(conflict("install-taken", sentence, "choose another folder below the install root"))
    }

    fn new_target(&self, name: Name) -> Target {
        Target {
            id: self.engine.mint(TargetId::mint),
            tenant: self.tenant().clone(),
            name,
            rotator: String::new(),
            settings: Value::Null,
            admin: None,
            acknowledged: Vec::new(),
            parallel: i64::try_from(self.engine.options.per_target).unwrap_or(1).clamp(1, MOST_PARALLEL),
            breaker: Breaker::Closed,
            created_at: self.now,
            created_by: self.actor.clone(),
            revision: 1,
        }
    }

    async fn load_admin(&self, tx: &mut Tx, name: &Name) -> Result<crate::model::Secret, Trouble> {
        self.find_secret(tx, name).await?.ok_or_else(|| {
            let sentence = format!("no secret is named `{name}`, which should be the admin");
            Trouble::new(Kind::NotFound, "admin-missing", sentence, format!("`keywheel secret put {name}` first"))
        })
    }

    /// Refuses a change that would send a credential elsewhere without the proof that the asker has it. Tells whether
    /// the address changes.
    async fn check_change(
        &self,
        tx: &mut Tx,
        old: &Target,
        wanted: &Target,
        request: &PutTarget,
    ) -> Result<bool, Trouble> {
        if old.rotator != wanted.rotator {
            let users = secret::list_of_target(tx, self.keyring(), self.tenant(), &old.id).await?;
            if let Some(user) = users.first() {
                let sentence =
                    format!("`{}` takes effect at `{}` by the rotator `{}`", user.name, old.name, old.rotator);
                return Err(conflict("rotator-in-use", sentence, "make another target for another rotator"));
            }
        }
        let rotator = self.engine.rotators.find(&wanted.rotator)?;
        let moved = old.rotator != wanted.rotator
            || rotator.address(&old.settings).ok() != Some(rotator.address(&wanted.settings)?);
        let Some(admin) = &wanted.admin else { return Ok(moved) };
        if !moved && old.admin.as_ref() == Some(admin) {
            return Ok(false);
        }
        let secret = self.load_admin(tx, admin).await?;
        let current = version::find_current(tx, self.keyring(), self.tenant(), &secret.id).await?;
        let Some(current) = current else { return Ok(moved) };
        let value = self.engine.open(&current)?;
        let given = request.admin_password.as_ref();
        if given.is_some_and(|given| is_password_of(&self.engine, &value, given.0.expose())) {
            return Ok(moved);
        }
        let sentence = format!("this change would send the credential of `{admin}` to another place");
        let hint = "give the admin's present password again: `--admin-password -` or `--admin-password @FILE`";
        Err(Trouble::new(Kind::Denied, "admin-credential-needed", sentence, hint))
    }
}

/// Whether a password is the one in a value's field `password`, compared in constant time.
fn is_password_of(engine: &Engine, value: &Material, password: &str) -> bool {
    let Some(known) = value.text("password") else { return false };
    let mut bytes = [0; 32];
    engine.random.fill(&mut bytes);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &bytes);
    let tag = ring::hmac::sign(&key, known.as_bytes());
    ring::hmac::verify(&key, password.as_bytes(), tag.as_ref()).is_ok()
}

/// Lists the targets by name.
pub async fn list(engine: &Arc<Engine>) -> Result<Vec<TargetView>, Trouble> {
    let mut tx = engine.store.read().await?;
    let targets = target::list(&mut tx, engine.keyring(), &engine.tenant).await?;
    let mut views = Vec::with_capacity(targets.len());
    for target in &targets {
        let secrets = secret::list_of_target(&mut tx, engine.keyring(), &engine.tenant, &target.id).await?;
        views.push(view(target, secrets.len()));
    }
    Ok(views)
}

/// Shows a target. Errors: `not-found`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<TargetView, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let target = asked.load_target(&mut tx, name).await?;
    let secrets = secret::list_of_target(&mut tx, engine.keyring(), &engine.tenant, &target.id).await?;
    Ok(view(&target, secrets.len()))
}

/// Deletes a target that no secret uses. Errors: `not-found`, `target-in-use`.
pub async fn delete(engine: &Arc<Engine>, actor: &Actor, name: &str, reason: String) -> Result<(), Trouble> {
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let target = asked.load_target(tx, &name).await?;
                agenda::lock(tx, target.id.as_str()).await?;
                if !target::delete_if_unused(tx, asked.tenant(), &target.id).await? {
                    let users = secret::list_of_target(tx, asked.keyring(), asked.tenant(), &target.id).await?;
                    return Err(in_use(&target, users.first().map(|user| user.name.as_str())));
                }
                agenda::delete(tx, target.id.as_str()).await?;
                alert::close_all(tx, asked.tenant(), target.id.as_str(), asked.now).await?;
                let told = Told {
                    subject: target.id.as_str(),
                    kind: "target.deleted",
                    facts: json!({ "v": 1, "name": target.name, "revision": target.revision }),
                    reason: &reason,
                    written: Vec::new(),
                    rotation: None,
                };
                asked.append(tx, told).await
            })
        })
        .await
}

fn in_use(target: &Target, user: Option<&str>) -> Trouble {
    let user = user.unwrap_or("a secret");
    let sentence = format!("`{user}` takes effect at the target `{}`", target.name);
    let hint = format!("`keywheel secret delete {user} --release`, and delete the target when that is purged");
    conflict("target-in-use", sentence, hint)
}
