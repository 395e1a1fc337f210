//! What every operation begins with: who asks and when, and the row of the secret held until the commit.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{
    clock::{from_micros, micros},
    engine::{Engine, Kind, Trouble},
    keyring::Keyring,
    model::{Acknowledgement, Actor, EventId, Name, RotationId, Secret, Target, TenantId},
    store::{NewEvent, Tx, Written, agenda, event, secret, target},
};

/// One request under way.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) engine: Arc<Engine>,
    pub(super) actor: Actor,
    pub(super) now: DateTime<Utc>,
}

/// An event that is about to be appended.
pub(super) struct Told<'a> {
    pub(super) subject: &'a str,
    pub(super) kind: &'a str,
    pub(super) facts: Value,
    pub(super) reason: &'a str,
    pub(super) written: Vec<Written>,
    pub(super) rotation: Option<&'a RotationId>,
}

/// A request that is wrong in itself.
pub(super) fn invalid(code: &'static str, sentence: impl Into<String>, hint: impl Into<String>) -> Trouble {
    Trouble::new(Kind::Invalid, code, sentence, hint)
}

/// A request that does not go together with what exists or runs.
pub(super) fn conflict(code: &'static str, sentence: impl Into<String>, hint: impl Into<String>) -> Trouble {
    Trouble::new(Kind::Conflict, code, sentence, hint)
}

/// Reads a name that somebody wrote.
pub(super) fn read_name(text: &str) -> Result<Name, Trouble> {
    Name::parse(text).map_err(|error| invalid("name-invalid", error.to_string(), "write a name like `billing/db`"))
}

impl Asked {
    pub(super) fn new(engine: &Arc<Engine>, actor: &Actor) -> Self {
        // As the store keeps it, so that an answer to a write equals what is read later.
        let now = from_micros(micros(engine.now()));
        Self { engine: Arc::clone(engine), actor: actor.clone(), now }
    }

    pub(super) fn keyring(&self) -> &Keyring {
        self.engine.keyring()
    }

    pub(super) fn tenant(&self) -> &TenantId {
        &self.engine.tenant
    }

    /// Writes in one transaction and wakes the loop after its commit.
    pub(super) async fn write<T, F>(&self, job: F) -> Result<T, Trouble>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(Self, &'t mut Tx) -> BoxFuture<'t, Result<T, Trouble>> + Clone + Send + 'static,
    {
        let asked = self.clone();
        let done = self.engine.write(move |tx| job(asked, tx)).await?;
        self.engine.wake();
        Ok(done)
    }

    pub(super) async fn find_secret(&self, tx: &mut Tx, name: &Name) -> Result<Option<Secret>, Trouble> {
        Ok(secret::find_by_name(tx, self.keyring(), self.tenant(), name).await?)
    }

    /// Finds a secret that must exist; a deleted one is found too.
    pub(super) async fn load_secret(&self, tx: &mut Tx, name: &str) -> Result<Secret, Trouble> {
        let name = read_name(name)?;
        self.find_secret(tx, &name).await?.ok_or_else(|| Trouble::not_found("secret", name.as_str()))
    }

    /// Holds the agenda row of a secret until the commit, and reads the secret as it then is.
    pub(super) async fn lock_secret(&self, tx: &mut Tx, name: &str) -> Result<Secret, Trouble> {
        let found = self.load_secret(tx, name).await?;
        agenda::lock(tx, found.id.as_str()).await?;
        let again = secret::find(tx, self.keyring(), self.tenant(), &found.id).await?;
        again.ok_or_else(|| Trouble::not_found("secret", name))
    }

    /// As [`Self::lock_secret`], and refuses a deleted one.
    pub(super) async fn lock_living(&self, tx: &mut Tx, name: &str) -> Result<Secret, Trouble> {
        let secret = self.lock_secret(tx, name).await?;
        refuse_deleted(&secret)?;
        Ok(secret)
    }

    pub(super) async fn load_target(&self, tx: &mut Tx, name: &str) -> Result<Target, Trouble> {
        let name = read_name(name)?;
        let found = target::find_by_name(tx, self.keyring(), self.tenant(), &name).await?;
        found.ok_or_else(|| Trouble::not_found("target", name.as_str()))
    }

    /// The targets whose admin credential is the given secret.
    pub(super) async fn targets_administered_by(&self, tx: &mut Tx, name: &Name) -> Result<Vec<Target>, Trouble> {
        let targets = target::list(tx, self.keyring(), self.tenant()).await?;
        Ok(targets.into_iter().filter(|target| target.admin.as_ref() == Some(name)).collect())
    }

    pub(super) async fn append(&self, tx: &mut Tx, told: Told<'_>) -> Result<(), Trouble> {
        let new = NewEvent {
            id: self.engine.mint(EventId::mint),
            tenant: self.tenant().clone(),
            subject: told.subject.to_owned(),
            rotation: told.rotation.cloned(),
            kind: told.kind.to_owned(),
            facts: told.facts,
            written: told.written,
            actor: self.actor.clone(),
            reason: told.reason.to_owned(),
            at: self.now,
        };
        event::append(tx, self.keyring(), new).await?;
        Ok(())
    }

    /// An acknowledgement by the asker.
    pub(super) fn acknowledgement(&self, code: &str, sentence: &str) -> Acknowledgement {
        Acknowledgement {
            code: code.to_owned(),
            sentence: sentence.to_owned(),
            actor: self.actor.clone(),
            at: micros(self.now),
        }
    }
}

/// Refuses a secret that was deleted.
pub(super) fn refuse_deleted(secret: &Secret) -> Result<(), Trouble> {
    if secret.deleted_at.is_none() {
        return Ok(());
    }
    let sentence = format!("the secret `{}` is deleted", secret.name);
    let hint = format!("`keywheel secret undelete {}` brings it back", secret.name);
    Err(Trouble::new(Kind::NotFound, "secret-deleted", sentence, hint))
}

/// Refuses while a rotation of the secret runs.
pub(super) fn refuse_in_rotation(secret: &Secret) -> Result<(), Trouble> {
    let Some(rotation) = &secret.rotation else { return Ok(()) };
    let sentence = format!("the rotation `{rotation}` of `{}` is running", secret.name);
    let hint = format!("wait for its end: `keywheel rotation show {rotation}`");
    Err(conflict("rotation-running", sentence, hint))
}
