//! Deliveries: the current value, written where an application reads it.
//!
//! A file is written beside its place with its final mode and owner before its content, synced, and renamed over the
//! old one; then the folder is synced and the hook runs. A crash leaves the old file or the new one, and perhaps one
//! more temporary file, which the next try replaces. A failed delivery is tried again on its own for ever.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    DeliveryRoot, Engine, Hook, Kind, Trouble,
    alerts::{Wrong, kind},
    files::{self, FilePlace},
    load::Subject,
    runner::{RunError, Runner, Then},
    template,
};
use crate::{
    model::{Actor, DeliveryId, EventId, Material, Version},
    rotation::Backoff,
    store::{
        NewEvent, StoreError, agenda, delivery,
        delivery::Delivery,
        event,
        read_audit::{self, Read},
    },
};

/// The settings of a delivery of kind `files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// The name of a delivery root of the configuration.
    pub root: String,
    /// The file, relative to the root.
    pub path: String,
    /// What is written: text with `{{ name }}`, `{{ version }}`, `{{ secret.FIELD }}`, `{{ target.SETTING }}`, and
    /// the filters `sh`, `json`, `url`, `base64`.
    pub template: String,
    /// Its mode in octal; `0600` if none is given.
    #[serde(default = "default_mode")]
    pub mode: String,
    /// Its owner, a user's name or number; the daemon's own if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its group, a name or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The name of a hook of the configuration, run after the file is in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
}

fn default_mode() -> String {
    "0600".to_owned()
}

/// Failures in a row after which a delivery is told to people.
const TELL_AFTER: i64 = 3;

impl Runner {
    /// Brings the current version to one delivery.
    pub(super) async fn deliver(&self, subject: &Subject, id: &DeliveryId) -> Result<Then, RunError> {
        let Some(delivery) = subject.deliveries.iter().find(|delivery| delivery.id == *id) else {
            return Ok(Then::LookAgain);
        };
        let Some(current) = subject.current() else { return Ok(Then::LookAgain) };
        let delivered = match self.audit_read(subject, current).await {
            Ok(()) => self.engine.deliver_files(subject, current, delivery).await,
            Err(error) => Err(error.into()),
        };
        let (mut after, wrong) = (delivery.clone(), delivered.as_ref().err());
        let event = match wrong {
            None => {
                after.delivered = Some(current.id.clone());
                after.delivered_at = Some(self.engine.now());
                (after.attempts, after.next_at) = (0, None);
                after.last_error.clear();
                let facts =
                    json!({ "v": 1, "delivery": delivery.name, "version": current.id, "number": current.number });
                Some(self.event_of(&subject.secret, "delivery.done", facts))
            }
            Some(trouble) => {
                after.attempts += 1;
                let failures = u32::try_from(after.attempts).unwrap_or(u32::MAX);
                let wait = Backoff::LATER_WORK.after(failures, self.engine.draw());
                after.next_at = Some(self.engine.now() + wait);
                after.last_error = trouble.sentence.clone();
                let facts = json!({ "v": 1, "delivery": delivery.name, "version": current.id, "code": trouble.code });
                (after.attempts == 1).then(|| self.event_of(&subject.secret, "delivery.failed", facts))
            }
        };
        let alert = wrong.filter(|_| after.attempts >= TELL_AFTER).map(|trouble| {
            let sentence = format!("the delivery `{}` fails: {}", delivery.name, trouble.sentence);
            Wrong::of_secret(&subject.secret.id, kind::DELIVERY, sentence, trouble.hint.clone())
        });
        self.write_delivery(after, event, alert).await?;
        Ok(Then::LookAgain)
    }

    async fn write_delivery(
        &self,
        after: Delivery,
        event: Option<NewEvent>,
        alert: Option<Wrong>,
    ) -> Result<(), StoreError> {
        let (engine, claim) = (Arc::clone(&self.engine), self.claim.clone());
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    delivery::put(tx, &claim.tenant, &after).await?;
                    if let Some(event) = event {
                        event::append(tx, engine.keyring(), event).await?;
                    }
                    match alert {
                        Some(wrong) => engine.open_alert(tx, &claim.tenant, &wrong).await,
                        None if after.attempts == 0 => {
                            engine.close_alerts(tx, &claim.tenant, &claim.subject, &[kind::DELIVERY]).await
                        }
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    /// A delivery reads the value: that is recorded before the value leaves the daemon.
    async fn audit_read(&self, subject: &Subject, current: &Version) -> Result<(), StoreError> {
        let engine = Arc::clone(&self.engine);
        let read = Read {
            id: engine.mint(EventId::mint),
            tenant: subject.secret.tenant.clone(),
            secret: subject.secret.id.clone(),
            version: current.id.clone(),
            reader: Actor::daemon(),
            via: "delivery",
            at: engine.now(),
        };
        self.engine
            .write(move |tx| Box::pin(async move { read_audit::insert(tx, engine.keyring(), &read).await }))
            .await
    }
}

impl Engine {
    async fn deliver_files(&self, subject: &Subject, current: &Version, delivery: &Delivery) -> Result<(), Trouble> {
        let settings: FileSettings = serde_json::from_value(delivery.settings.clone()).map_err(|error| {
            let sentence = format!("the settings of the delivery `{}` cannot be read: {error}", delivery.name);
            Trouble::new(Kind::Invalid, "delivery-settings", sentence, "put the delivery anew")
        })?;
        let place = FilePlace {
            root: self.find_delivery_root(&settings.root)?.path.clone(),
            path: PathBuf::from(&settings.path),
            mode: files::parse_mode(&settings.mode)?,
            owner: settings.owner.clone(),
            group: settings.group.clone(),
        };
        let hook = settings.hook.as_deref().map(|name| self.find_hook(name)).transpose()?.cloned();
        let content = self.render_delivery(subject, current, &settings.template)?;
        let written = tokio::task::spawn_blocking(move || files::replace(&place, content.as_bytes())).await;
        written.map_err(|_| {
            Trouble::new(Kind::Internal, "delivery-panicked", "the writing of a file panicked", "report this defect")
        })??;
        match hook {
            Some(hook) => hook.run(self.options.step_deadline).await,
            None => Ok(()),
        }
    }

    fn render_delivery(
        &self,
        subject: &Subject,
        current: &Version,
        template: &str,
    ) -> Result<Zeroizing<String>, Trouble> {
        let material: Material = self.open(current)?;
        let settings = subject.target.as_ref().map_or(json!({}), |target| target.settings.clone());
        let context = json!({
            "name": subject.secret.name,
            "version": current.number,
            "secret": material.expose(),
            "target": settings,
        });
        let rendered = template::render(template, &context);
        template::wipe(context);
        rendered
    }

    /// Finds a delivery root of the configuration.
    pub(crate) fn find_delivery_root(&self, name: &str) -> Result<&DeliveryRoot, Trouble> {
        self.options.delivery_roots.get(name).ok_or_else(|| {
            let sentence = format!("no delivery root is named `{name}`");
            Trouble::new(
                Kind::Invalid,
                "unknown-delivery-root",
                sentence,
                "add `[[delivery_root]]` to the configuration file",
            )
        })
    }

    /// Finds a hook of the configuration.
    pub(crate) fn find_hook(&self, name: &str) -> Result<&Hook, Trouble> {
        self.options.hooks.get(name).ok_or_else(|| {
            let sentence = format!("no hook is named `{name}`");
            Trouble::new(Kind::Invalid, "unknown-hook", sentence, "add `[[hook]]` to the configuration file")
        })
    }
}
