//! Deleting secrets, bringing them back, and destroying values for good.
//!
//! A deleted secret can be brought back until its recovery period is over; the engine then purges it. No value of a
//! managed secret is destroyed that a probe has not shown dead at its target.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    asked::{Asked, conflict, refuse_in_rotation},
    secret_fields::read_duration,
    secret_read::select,
    wire::Moment,
};
use crate::{
    clock::{from_micros, micros},
    engine::{Engine, Trouble},
    model::{Actor, OccurrenceEnd, Secret, Stage, Version},
    store::{Tx, agenda, alert, occurrence, secret, version},
};

/// How a secret is deleted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DeleteSecret {
    /// Whether a managed secret is let go: its account stays at the target with its present value, and nothing
    /// rotates it any more.
    pub release: bool,
    /// How long it can be brought back, such as `30d`; as the secret says if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// Why.
    pub reason: String,
}

/// The answer to a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretDeleted {
    /// The secret's name.
    pub name: String,
    /// Until when it can be brought back.
    pub recoverable_until: Moment,
}

/// What is brought back.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UndeleteSecret {
    /// The version, by number or id; the whole secret if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why.
    pub reason: String,
}

/// What is destroyed for good.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DestroySecret {
    /// The version, by number or id; the whole secret if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why.
    pub reason: String,
}

fn end_of_recovery(secret: &Secret) -> Option<chrono::DateTime<chrono::Utc>> {
    secret.deleted_at.map(|at| from_micros(micros(at).saturating_add(secret.recovery_us)))
}

impl Asked {
    async fn refuse_admin(&self, tx: &mut Tx, secret: &Secret) -> Result<(), Trouble> {
        let Some(target) = self.targets_administered_by(tx, &secret.name).await?.into_iter().next() else {
            return Ok(());
        };
        let sentence = format!("`{}` is the admin of the target `{}`", secret.name, target.name);
        let hint = format!("give the target another admin first: `keywheel target put {}`", target.name);
        Err(conflict("secret-is-admin", sentence, hint))
    }

    /// Ends what waits for a rotation of a secret that will not come.
    async fn withdraw_occurrences(&self, tx: &mut Tx, secret: &Secret, why: &str) -> Result<(), Trouble> {
        for mut open in occurrence::list_open(tx, self.tenant(), &secret.id).await? {
            open.end = Some(OccurrenceEnd::Failed);
            open.ended_at = Some(self.now);
            why.clone_into(&mut open.why);
            occurrence::update(tx, &open).await?;
        }
        Ok(())
    }
}

/// Deletes a secret so that it can be brought back for a while. Nothing changes at its target.
///
/// Errors: `secret-deleted`, `rotation-running`, `secret-is-admin`; `secret-managed` unless it is released.
pub async fn delete(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    request: DeleteSecret,
) -> Result<SecretDeleted, Trouble> {
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked.write(move |asked, tx| Box::pin(async move { asked.delete_secret(tx, &name, request).await })).await
}

impl Asked {
    async fn delete_secret(&self, tx: &mut Tx, name: &str, request: DeleteSecret) -> Result<SecretDeleted, Trouble> {
        let mut found = self.lock_living(tx, name).await?;
        refuse_in_rotation(&found)?;
        self.refuse_admin(tx, &found).await?;
        if found.target.is_some() && !request.release {
            let sentence = format!("`{name}` is managed: its account at the target would stay, and nobody rotate it");
            return Err(conflict("secret-managed", sentence, "add `--release` if that is what you want"));
        }
        if let Some(recovery) = &request.recovery {
            found.recovery_us = read_duration("recovery", recovery)?;
        }
        found.deleted_at = Some(self.now);
        self.withdraw_occurrences(tx, &found, "the secret was deleted").await?;
        alert::close_all(tx, self.tenant(), found.id.as_str(), self.now).await?;
        let written = vec![secret::update(tx, self.keyring(), &mut found).await?];
        let until = end_of_recovery(&found).unwrap_or(self.now);
        let facts = json!({ "v": 1, "is_released": found.target.is_some(), "recoverable_until": Moment(until) });
        self.tell(tx, &found, "secret.deleted", facts, &request.reason, written).await?;
        agenda::pull(tx, found.id.as_str(), self.now).await?;
        Ok(SecretDeleted { name: found.name.to_string(), recoverable_until: until.into() })
    }
}

/// Brings a deleted secret back, or one deleted version of it. Errors: `not-deleted`, `recovery-over`.
pub async fn undelete(engine: &Arc<Engine>, actor: &Actor, name: &str, request: UndeleteSecret) -> Result<(), Trouble> {
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = asked.lock_secret(tx, &name).await?;
                match &request.version {
                    Some(which) => asked.undelete_version(tx, &found, which, &request.reason).await,
                    None => asked.undelete_secret(tx, found, &request.reason).await,
                }
            })
        })
        .await
}

fn not_deleted(what: &str) -> Trouble {
    conflict("not-deleted", format!("{what} is not deleted"), "nothing to do")
}

impl Asked {
    async fn undelete_secret(&self, tx: &mut Tx, mut found: Secret, reason: &str) -> Result<(), Trouble> {
        let until = end_of_recovery(&found).ok_or_else(|| not_deleted(&format!("`{}`", found.name)))?;
        if until <= self.now {
            let sentence = format!("the recovery period of `{}` ended at `{}`", found.name, Moment(until));
            return Err(conflict("recovery-over", sentence, "restore it from a backup"));
        }
        found.deleted_at = None;
        let written = vec![secret::update(tx, self.keyring(), &mut found).await?];
        self.tell(tx, &found, "secret.undeleted", json!({ "v": 1 }), reason, written).await?;
        Ok(agenda::pull(tx, found.id.as_str(), self.now).await?)
    }

    async fn undelete_version(&self, tx: &mut Tx, found: &Secret, which: &str, reason: &str) -> Result<(), Trouble> {
        let versions = version::list(tx, self.keyring(), self.tenant(), &found.id).await?;
        let mut chosen = select(found, &versions, which)?.clone();
        if chosen.deleted_at.is_none() {
            return Err(not_deleted(&format!("version `{which}` of `{}`", found.name)));
        }
        chosen.deleted_at = None;
        let written = vec![version::update(tx, self.keyring(), &mut chosen).await?];
        let facts = json!({ "v": 1, "version": chosen.id, "number": chosen.number });
        self.tell(tx, found, "secret.version_undeleted", facts, reason, written).await
    }
}

/// Deletes one version so that it can be brought back. Errors: `version-not-found`, `version-in-use`.
pub async fn delete_version(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    which: &str,
    reason: String,
) -> Result<(), Trouble> {
    let (name, which) = (name.to_owned(), which.to_owned());
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = asked.lock_living(tx, &name).await?;
                let versions = version::list(tx, asked.keyring(), asked.tenant(), &found.id).await?;
                let mut chosen = select(&found, &versions, &which)?.clone();
                asked.refuse_in_use(tx, &found, &chosen).await?;
                chosen.deleted_at = Some(asked.now);
                let written = vec![version::update(tx, asked.keyring(), &mut chosen).await?];
                let facts = json!({ "v": 1, "version": chosen.id, "number": chosen.number });
                asked.tell(tx, &found, "secret.version_deleted", facts, &reason, written).await
            })
        })
        .await
}

/// Destroys the value of one version, or a whole secret with all its versions. Nothing brings them back.
///
/// Errors: `version-not-dead` for a managed secret's version that no probe has shown dead; `version-in-use` for what
/// an admin needs; `rotation-running`, `secret-is-admin`.
pub async fn destroy(engine: &Arc<Engine>, actor: &Actor, name: &str, request: DestroySecret) -> Result<(), Trouble> {
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = asked.lock_secret(tx, &name).await?;
                match &request.version {
                    Some(which) => asked.destroy_version(tx, &found, which, &request.reason).await,
                    None => asked.destroy_secret(tx, &found, &request.reason).await,
                }
            })
        })
        .await
}

fn refuse_alive(secret: &Secret, version: &Version) -> Result<(), Trouble> {
    let is_dead = version.destroyed_at.is_some() || (version.stage == Stage::Retired && version.retired_at.is_some());
    if secret.target.is_none() || is_dead {
        return Ok(());
    }
    let which = version.number.map_or_else(|| version.id.to_string(), |number| number.to_string());
    let sentence = format!("no probe has shown that the target refuses version `{which}` of `{}`", secret.name);
    let hint = format!("it can be destroyed when it is retired; `keywheel secret history {}` shows when", secret.name);
    Err(conflict("version-not-dead", sentence, hint))
}

impl Asked {
    /// Refuses what is served or what an admin works with.
    async fn refuse_in_use(&self, tx: &mut Tx, secret: &Secret, version: &Version) -> Result<(), Trouble> {
        let is_at_work = version.stage != Stage::Retired;
        let is_needed = secret.target.is_some() || !self.targets_administered_by(tx, &secret.name).await?.is_empty();
        if !is_at_work || !is_needed {
            return Ok(());
        }
        let sentence = format!("version `{}` of `{}` is at work", version.id, secret.name);
        Err(conflict("version-in-use", sentence, "wait until a later version has taken its place"))
    }

    async fn destroy_version(&self, tx: &mut Tx, found: &Secret, which: &str, reason: &str) -> Result<(), Trouble> {
        let versions = version::list(tx, self.keyring(), self.tenant(), &found.id).await?;
        let mut chosen = select(found, &versions, which)?.clone();
        refuse_alive(found, &chosen)?;
        self.refuse_in_use(tx, found, &chosen).await?;
        if chosen.destroyed_at.is_some() {
            return Ok(());
        }
        chosen.token = None;
        chosen.destroyed_at = Some(self.now);
        let written = vec![version::update(tx, self.keyring(), &mut chosen).await?];
        let facts = json!({ "v": 1, "version": chosen.id, "number": chosen.number });
        self.tell(tx, found, "secret.version_destroyed", facts, reason, written).await
    }

    async fn destroy_secret(&self, tx: &mut Tx, found: &Secret, reason: &str) -> Result<(), Trouble> {
        refuse_in_rotation(found)?;
        self.refuse_admin(tx, found).await?;
        for version in version::list(tx, self.keyring(), self.tenant(), &found.id).await? {
            refuse_alive(found, &version).map_err(|trouble| {
                let hint = format!("`keywheel secret delete {} --release` lets it go first", found.name);
                conflict("version-not-dead", trouble.sentence, hint)
            })?;
        }
        alert::close_all(tx, self.tenant(), found.id.as_str(), self.now).await?;
        secret::delete(tx, self.tenant(), &found.id).await?;
        let facts = json!({ "v": 1, "name": found.name, "revision": found.revision });
        self.tell(tx, found, "secret.destroyed", facts, reason, Vec::new()).await
    }
}
