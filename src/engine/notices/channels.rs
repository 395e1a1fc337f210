//! Channels that are open: built from their document and the secrets that it names, kept until one of these changes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    engine::{Engine, Kind, Trouble},
    model::{DocumentId, Material, Name, Stage, TenantId, Version},
    notify::{self, Channel, Credentials},
    store::{Tx, document::Document, secret, version},
};

use super::rules::ChannelRules;

/// How long one attempt may take.
pub(super) const ATTEMPT: Duration = Duration::from_secs(20);

/// Channels that are open, with what they were opened from.
#[derive(Default)]
pub(crate) struct Opened(Mutex<HashMap<DocumentId, Open>>);

type Open = (Made, Arc<dyn Channel>);

/// What a channel was made from: another revision, or another version of a secret, makes another one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    revision: i64,
    versions: Vec<String>,
}

impl Opened {
    fn find(&self, id: &DocumentId, made: &Made) -> Option<Arc<dyn Channel>> {
        let opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opened.get(id).filter(|(known, _)| known == made).map(|(_, channel)| Arc::clone(channel))
    }

    fn keep(&self, id: &DocumentId, made: Made, channel: &Arc<dyn Channel>) {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opened.insert(id.clone(), (made, Arc::clone(channel)));
    }

    /// All that are open: for news that cannot wait for the store.
    pub(super) fn all(&self) -> Vec<Arc<dyn Channel>> {
        let opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        opened.values().map(|(_, channel)| Arc::clone(channel)).collect()
    }

    pub(crate) fn forget(&self, id: &DocumentId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// A secret's value that a channel uses, and the one before while it is still valid.
struct Used {
    field: String,
    current: Version,
    previous: Option<Version>,
}

impl Engine {
    /// Opens a channel, or finds it open. Errors: what its settings lack; `not-found` for a secret that they name.
    pub(crate) async fn open_channel(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        document: &Document,
        rules: &ChannelRules,
    ) -> Result<Arc<dyn Channel>, Trouble> {
        let checked = notify::check(&rules.kind, &rules.settings).map_err(|error| told(&error))?;
        let mut used = Vec::new();
        for reference in &checked.references {
            used.push(self.find_used(tx, tenant, &reference.field, &reference.secret).await?);
        }
        let versions = used.iter().flat_map(|used| [Some(&used.current), used.previous.as_ref()]).flatten();
        let made = Made { revision: document.revision, versions: versions.map(|v| v.id.to_string()).collect() };
        if let Some(open) = self.channels.find(&document.id, &made) {
            return Ok(open);
        }
        let mut credentials = Credentials::none();
        for used in used {
            credentials = credentials.with(&used.field, self.open(&used.current)?);
            if let Some(previous) = &used.previous {
                let previous: Material = self.open(previous)?;
                credentials = credentials.with_previous(&used.field, previous);
            }
        }
        let opened = notify::open(&rules.kind, &rules.settings, credentials, &self.options.notify)
            .map_err(|error| told(&error))?;
        self.channels.keep(&document.id, made, &opened);
        Ok(opened)
    }

    async fn find_used(&self, tx: &mut Tx, tenant: &TenantId, field: &str, name: &str) -> Result<Used, Trouble> {
        let missing = || {
            let sentence = format!("the setting `{field}` names the secret `{name}`, which has no value");
            Trouble::new(Kind::Conflict, "channel-secret-missing", sentence, format!("`keywheel secret put {name}`"))
        };
        let read = Name::parse(name).map_err(|_| missing())?;
        let found = secret::find_by_name(tx, self.keyring(), tenant, &read).await?;
        let found = found.filter(|found| found.deleted_at.is_none()).ok_or_else(missing)?;
        let live = version::list_live(tx, self.keyring(), tenant, &found.id).await?;
        let has_value = |version: &&Version| version.token.is_some();
        let current = live.iter().filter(has_value).find(|version| version.stage == Stage::Current);
        let previous = live.iter().filter(has_value).rfind(|version| version.stage == Stage::Previous);
        let current = current.cloned().ok_or_else(missing)?;
        Ok(Used { field: field.to_owned(), current, previous: previous.cloned() })
    }
}

/// What an asker is told of settings that cannot be used.
pub(crate) fn told(error: &notify::NotifyError) -> Trouble {
    Trouble::new(Kind::Invalid, error.code(), error.to_string(), error.hint())
}
