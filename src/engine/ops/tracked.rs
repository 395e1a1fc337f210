//! Tracked secrets: what lives elsewhere and expires, such as a domain or a licence. No value is kept.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    asked::{Asked, conflict, invalid, read_name},
    secret_fields::check_text,
    secrets::About,
};
use crate::{
    engine::{Engine, Trouble},
    model::{Actor, Name},
    store::{Tx, agenda, secret},
};

/// The type of a tracked secret.
pub const TRACKED: &str = "tracked";

/// Something to be tracked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Track {
    /// What is said about it; the date is needed where it is new.
    #[serde(default)]
    pub about: About,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// What is tracked under a name before a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Before {
    /// Something or nothing.
    #[default]
    Either,
    /// Nothing.
    Nothing,
    /// Something.
    Something,
}

/// Tracks something, or changes what is tracked under that name.
///
/// Errors: `expiry-missing` without a date, `expiry-past`, `not-tracked` where a secret with a value has that name.
pub async fn put(engine: &Arc<Engine>, actor: &Actor, name: &str, request: Track) -> Result<(), Trouble> {
    put_after(engine, actor, name, request, Before::Either).await
}

/// The same, where it is known whether the name is taken. Errors as of [`put`]; `already-tracked`, `not-found`.
pub async fn put_after(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    request: Track,
    before: Before,
) -> Result<(), Trouble> {
    check_text("reason", &request.reason)?;
    let name = read_name(name)?;
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                asked.refuse_other_before(tx, &name, before).await?;
                asked.track(tx, name, &request).await
            })
        })
        .await
}

impl Asked {
    async fn refuse_other_before(&self, tx: &mut Tx, name: &Name, before: Before) -> Result<(), Trouble> {
        let is_there = self.find_secret(tx, name).await?.is_some();
        match before {
            Before::Nothing if is_there => {
                let sentence = format!("`{name}` is there already");
                let hint = format!("change it with `keywheel track set '{name}'`");
                Err(conflict("already-tracked", sentence, hint))
            }
            Before::Something if !is_there => Err(Trouble::not_found("tracked secret", name.as_str())),
            _ => Ok(()),
        }
    }

    async fn track(&self, tx: &mut Tx, name: Name, request: &Track) -> Result<(), Trouble> {
        if self.find_secret(tx, &name).await?.is_some() {
            let mut found = self.lock_living(tx, name.as_str()).await?;
            if found.kind != TRACKED {
                let sentence = format!("`{name}` is a secret with a value");
                let hint = format!("its date is set by `keywheel secret edit {name} --expires …`");
                return Err(conflict("not-tracked", sentence, hint));
            }
            let before = found.clone();
            request.about.apply_to(&mut found)?;
            let rules = self.keep_expiry(tx, &before, &mut found, &request.about, None).await?;
            let mut written = vec![secret::update(tx, self.keyring(), &mut found).await?];
            written.extend(rules);
            let facts = json!({ "v": 1, "about": request.about, "revision": found.revision });
            self.tell(tx, &found, "secret.changed", facts, &request.reason, written).await?;
            return Ok(agenda::pull(tx, found.id.as_str(), self.now).await?);
        }
        let mut fresh = self.new_secret(name, TRACKED);
        request.about.apply_to(&mut fresh)?;
        if fresh.expires_at.is_none() {
            let sentence = format!("`{}` has no date", fresh.name);
            return Err(invalid("expiry-missing", sentence, "give the date of its expiry with `--expires 2027-03-01`"));
        }
        let rules = self.keep_expiry(tx, &fresh.clone(), &mut fresh, &request.about, None).await?;
        let mut written = vec![secret::insert(tx, self.keyring(), &fresh).await?];
        written.extend(rules);
        agenda::insert(tx, fresh.id.as_str(), self.tenant(), "", Some(self.now)).await?;
        let facts = json!({ "v": 1, "name": fresh.name, "kind": TRACKED });
        self.tell(tx, &fresh, "secret.created", facts, &request.reason, written).await
    }
}
