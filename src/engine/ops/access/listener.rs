//! The certificate that the HTTPS listener shows: the current version of a secret, and how the listener does.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::{
    asked::Asked,
    wire::{Moment, moment},
};
use crate::{
    engine::{Engine, Trouble},
    model::{Actor, EventId, Material, Name, Stage, VersionId},
    store::{read_audit, secret, version},
};

/// How the HTTPS listener does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListenerView {
    /// Where it listens.
    pub address: String,
    /// The secret whose current version it shows.
    pub certificate: String,
    /// `serves`; `waits` where it has no certificate yet; `stale` where it shows an older one than the current;
    /// `expired` where the time of what it shows is over.
    pub state: String,
    /// The number of the version that it shows.
    pub version: Option<i64>,
    /// When the certificate that it shows expires, where that is known.
    pub expires_at: Option<Moment>,
    /// What is wrong, or nothing.
    pub finding: String,
    /// What solves it, or nothing.
    pub hint: String,
}

/// How the HTTPS listener of this process does; nothing where there is none.
#[derive(Debug, Default)]
pub struct Listening(Mutex<Option<ListenerView>>);

impl Listening {
    /// Says how it does. Answers whether that is another state than before.
    pub fn set(&self, view: ListenerView) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = held.as_ref().is_none_or(|held| *held != view);
        *held = Some(view);
        is_news
    }

    /// How it does at a time.
    pub fn view(&self, now: DateTime<Utc>) -> Option<ListenerView> {
        let mut view = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        if let Some(over) = view.expires_at.filter(|at| view.state == "serves" && at.0 <= now) {
            "expired".clone_into(&mut view.state);
            view.finding = format!("what it shows expired at {over}");
            view.hint = format!("`keywheel secret show {}` tells why it was not renewed", view.certificate);
        }
        Some(view)
    }
}

/// What a look at the secret found.
#[derive(Debug)]
pub enum Look {
    /// There is nothing to show, and why.
    Nothing {
        /// What is wrong.
        finding: String,
        /// What solves it.
        hint: String,
    },
    /// The current version is the one that was seen before.
    Same,
    /// Another one is current.
    Another(Presented),
}

/// A version to be shown.
#[derive(Debug)]
pub struct Presented {
    /// Its id.
    pub id: VersionId,
    /// Its number.
    pub number: Option<i64>,
    /// When it expires, where that is known.
    pub expires_at: Option<Moment>,
    /// Its fields.
    pub material: Material,
}

/// Looks whether the secret has another current version than the one that was seen. Its value is read, and the read
/// recorded, only then.
pub async fn look(engine: &Arc<Engine>, name: &Name, seen: Option<&VersionId>) -> Result<Look, Trouble> {
    let asked = Asked::new(engine, &Actor::daemon());
    let (keyring, tenant) = (asked.keyring(), asked.tenant());
    let mut tx = engine.store.read().await?;
    let nothing = |finding: String| {
        let hint = format!("let an authority issue it, or `keywheel secret put {name} --kind certificate @FILE`");
        Ok(Look::Nothing { finding, hint })
    };
    let Some(found) = secret::find_by_name(&mut tx, keyring, tenant, name).await? else {
        return nothing(format!("no secret is named `{name}`"));
    };
    if found.deleted_at.is_some() {
        return nothing(format!("the secret `{name}` is deleted"));
    }
    let versions = version::list_live(&mut tx, keyring, tenant, &found.id).await?;
    drop(tx);
    let Some(current) = versions.iter().find(|version| version.stage == Stage::Current) else {
        return nothing(format!("the secret `{name}` has no value yet"));
    };
    if Some(&current.id) == seen {
        return Ok(Look::Same);
    }
    let material = engine.open(current)?;
    let read = read_audit::Read {
        id: engine.mint(EventId::mint),
        tenant: tenant.clone(),
        secret: found.id.clone(),
        version: current.id.clone(),
        reader: asked.actor.clone(),
        via: "listener",
        at: asked.now,
    };
    let keyring = Arc::clone(engine.keyring());
    let recorded = engine
        .store
        .write(move |tx| Box::pin(async move { read_audit::insert(tx, &keyring, &read).await.map_err(Trouble::from) }));
    recorded.await?;
    let written = material.text("not_after").and_then(|text| text.parse().ok());
    let expires_at = moment(written.or(found.expires_at));
    Ok(Look::Another(Presented { id: current.id.clone(), number: current.number, expires_at, material }))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn what_is_shown_expires_at_its_time() {
        let (listening, at) = (Listening::default(), DateTime::UNIX_EPOCH + TimeDelta::days(1));
        assert!(listening.view(at).is_none());
        let view = ListenerView {
            address: "127.0.0.1:8200".to_owned(),
            certificate: "keywheel/listener".to_owned(),
            state: "serves".to_owned(),
            version: Some(1),
            expires_at: Some(Moment(at)),
            finding: String::new(),
            hint: String::new(),
        };
        assert!(listening.set(view.clone()) && !listening.set(view));
        let state = |seconds| listening.view(at + TimeDelta::seconds(seconds)).map(|view| view.state);
        assert_eq!(state(-1).as_deref(), Some("serves"));
        assert_eq!(state(0).as_deref(), Some("expired"));
    }
}
