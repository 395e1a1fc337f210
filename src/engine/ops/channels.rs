//! Channels: by which means people are told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    asked::{Asked, Told, invalid, read_name},
    secret_fields::check_text,
    wire::{Moment, moment},
};
use crate::{
    clock::{from_micros, micros},
    engine::{
        Engine, Kind, Trouble,
        notices::{
            channels::told,
            deliver::attempt,
            outcome::FAILING_FROM,
            rules::{ChannelRules, kind, read},
        },
    },
    model::{Actor, DocumentId, EventId},
    notify::{self, Class, Outcome},
    schedule::HumanDuration,
    store::{
        Tx, agenda, alert,
        document::{self, Document},
        event,
        notices::{news, send},
    },
};

/// The most channels of a tenant.
pub(super) const MOST: i64 = 200;

/// Alerts that a new channel is told of at most, and events of each that are looked through for its opening.
const LOOKED_THROUGH: i64 = 50;

/// A channel as somebody wants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutChannel {
    /// `email`, `webhook`, `slack`, `teams`, `pagerduty`, `syslog` or `cef`.
    pub kind: String,
    /// What the kind asks for; a secret is named, never given.
    pub settings: Value,
    /// Whether it gets notices; yes if it is not given.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How often it gets a sign of life, such as `5m`; never if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

fn yes() -> bool {
    true
}

/// A channel, and how it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChannelView {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What the kind asks for.
    pub settings: Value,
    /// Since when it gets notices; none while it is disabled.
    pub enabled_at: Option<Moment>,
    /// Why it was disabled, or nothing.
    pub disabled_because: String,
    /// How often it gets a sign of life.
    pub heartbeat: Option<String>,
    /// Failures in a row.
    pub failures: i64,
    /// Nothing is tried before this time.
    pub paused_until: Option<Moment>,
    /// When something was delivered last.
    pub delivered_at: Option<Moment>,
    /// What was said when it failed last, or nothing.
    pub last_error: String,
    /// Whether it fails, by several failures in a row, or is gone for good.
    pub is_failing: bool,
    /// What a person should know of its settings.
    pub notes: Vec<String>,
}

/// The answer to a test of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelTested {
    /// Whether the receiver took it.
    pub is_delivered: bool,
    /// A code where it did not, or nothing.
    pub code: String,
    /// What the receiver said.
    pub answer: String,
    /// What solves it, or nothing.
    pub hint: String,
}

/// Whether the settings and secrets of a channel are usable, as far as that is known without sending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelTried {
    /// Whether it can be opened.
    pub is_usable: bool,
    /// A code where it cannot, or nothing.
    pub code: String,
    /// What is wrong, or nothing.
    pub finding: String,
    /// What solves it, or nothing.
    pub hint: String,
}

/// Whether a channel needs a person: it fails again and again, or its receiver said that it is gone.
pub(super) fn is_failing(rules: &ChannelRules, failures: i64) -> bool {
    let is_gone = rules.enabled_at.is_none() && failures > 0;
    is_gone || failures >= FAILING_FROM
}

/// Makes a channel, or changes the one of that name. A channel gets what happens from the moment it is enabled, and
/// what is open then.
///
/// Errors: what its settings lack (`channel-settings-…`), `heartbeat` that is no duration.
pub async fn put(engine: &Arc<Engine>, actor: &Actor, name: &str, request: PutChannel) -> Result<ChannelView, Trouble> {
    check_text("reason", &request.reason)?;
    let name = read_name(name)?.to_string();
    notify::check(&request.kind, &request.settings).map_err(|error| told(&error))?;
    let heartbeat = request.heartbeat.as_deref().map(read_heartbeat).transpose()?;
    let asked = Asked::new(engine, actor);
    asked.write(move |asked, tx| Box::pin(async move { asked.put_channel(tx, &name, &request, heartbeat).await })).await
}

pub(super) fn read_heartbeat(text: &str) -> Result<HumanDuration, Trouble> {
    text.parse().map_err(|error: crate::schedule::DurationError| {
        invalid(error.code(), format!("`heartbeat`: {error}"), error.hint())
    })
}

impl Asked {
    async fn put_channel(
        &self,
        tx: &mut Tx,
        name: &str,
        request: &PutChannel,
        heartbeat: Option<HumanDuration>,
    ) -> Result<ChannelView, Trouble> {
        let found = document::find(tx, self.keyring(), self.tenant(), kind::CHANNEL, name).await?;
        let before = found.as_ref().map(read::<ChannelRules>).transpose()?;
        let was_enabled = before.as_ref().and_then(|rules| rules.enabled_at);
        let enabled_at = request.enabled.then(|| was_enabled.unwrap_or_else(|| micros(self.now)));
        let rules = ChannelRules {
            kind: request.kind.clone(),
            settings: request.settings.clone(),
            enabled_at,
            disabled_because: if request.enabled { String::new() } else { request.reason.clone() },
            heartbeat,
        };
        let mut document = found.unwrap_or_else(|| self.new_document(kind::CHANNEL, name));
        document.body = json!(rules);
        let written = document::put(tx, self.keyring(), &mut document).await?;
        let facts = json!({ "v": 1, "name": name, "kind": rules.kind, "is_enabled": request.enabled });
        self.tell_of_document(tx, &document, "channel.put", facts, &request.reason, vec![written]).await?;
        self.engine.channels.forget(&document.id);
        let id = document.id.as_str();
        agenda::insert(tx, id, self.tenant(), id, None).await?;
        let due = heartbeat.filter(|_| request.enabled).map(|_| self.now);
        agenda::set_due(tx, id, id, due).await?;
        if enabled_at.is_some() && was_enabled.is_none() {
            self.tell_what_is_open(tx, &document.id).await?;
        }
        self.view_channel(tx, &document, &rules).await
    }

    /// A document that does not exist yet.
    pub(super) fn new_document(&self, kind: &str, name: &str) -> Document {
        Document {
            id: self.engine.mint(DocumentId::mint),
            tenant: self.tenant().clone(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            body: Value::Null,
            created_at: self.now,
            created_by: self.actor.clone(),
            revision: 0,
        }
    }

    pub(super) async fn tell_of_document(
        &self,
        tx: &mut Tx,
        document: &Document,
        kind: &str,
        facts: Value,
        reason: &str,
        written: Vec<crate::store::Written>,
    ) -> Result<(), Trouble> {
        let subject = document.id.as_str();
        self.append(tx, Told { subject, kind, facts, reason, written, rotation: None }).await
    }

    /// Has a new channel told of the alerts that are open.
    async fn tell_what_is_open(&self, tx: &mut Tx, channel: &DocumentId) -> Result<(), Trouble> {
        for open in alert::list_open(tx, self.tenant(), None).await? {
            let newest = event::list_of_subject(tx, self.keyring(), self.tenant(), &open.subject, LOOKED_THROUGH);
            let is_opening = |kind: &str| matches!(kind, "alert.opened" | "rotation.stuck" | "rotation.unwound");
            if let Some(event) = newest.await?.into_iter().find(|event| is_opening(&event.kind)) {
                news::insert_for(tx, self.tenant(), &event.id, channel).await?;
            }
        }
        Ok(())
    }

    async fn view_channel(
        &self,
        tx: &mut Tx,
        document: &Document,
        rules: &ChannelRules,
    ) -> Result<ChannelView, Trouble> {
        let health = send::find_health(tx, &document.id).await?;
        let notes = notify::check(&rules.kind, &rules.settings).map(|checked| checked.notes).unwrap_or_default();
        Ok(ChannelView {
            name: document.name.clone(),
            kind: rules.kind.clone(),
            settings: rules.settings.clone(),
            enabled_at: moment(rules.enabled_at.map(from_micros)),
            disabled_because: rules.disabled_because.clone(),
            heartbeat: rules.heartbeat.map(|every| every.to_string()),
            failures: health.failures,
            paused_until: moment(health.paused_until),
            delivered_at: moment(health.delivered_at),
            last_error: health.answer,
            is_failing: is_failing(rules, health.failures),
            notes,
        })
    }

    pub(super) async fn load_channel(&self, tx: &mut Tx, name: &str) -> Result<(Document, ChannelRules), Trouble> {
        let found = document::find(tx, self.keyring(), self.tenant(), kind::CHANNEL, name).await?;
        let found = found.ok_or_else(|| Trouble::not_found("channel", name))?;
        let rules = read(&found)?;
        Ok((found, rules))
    }
}

/// Lists channels by name.
pub async fn list(engine: &Arc<Engine>, actor: &Actor) -> Result<Vec<ChannelView>, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let mut views = Vec::new();
    for found in document::list(&mut tx, asked.keyring(), asked.tenant(), kind::CHANNEL, "", MOST).await? {
        let rules: ChannelRules = read(&found)?;
        views.push(asked.view_channel(&mut tx, &found, &rules).await?);
    }
    Ok(views)
}

/// Shows a channel. Errors: `not-found`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<ChannelView, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let (document, rules) = asked.load_channel(&mut tx, name).await?;
    asked.view_channel(&mut tx, &document, &rules).await
}

/// Takes a channel away; what it was yet to deliver is dropped, and listed as that. Errors: `not-found`.
pub async fn delete(engine: &Arc<Engine>, actor: &Actor, name: &str, reason: String) -> Result<(), Trouble> {
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let (document, _) = asked.load_channel(tx, &name).await?;
                document::delete(tx, asked.tenant(), &document.id).await?;
                agenda::delete(tx, document.id.as_str()).await?;
                asked.engine.channels.forget(&document.id);
                for open in send::list_open(tx, asked.tenant(), &document.id, None, i64::MAX).await? {
                    agenda::pull(tx, open.id.as_str(), asked.now).await?;
                }
                alert::close_all(tx, asked.tenant(), document.id.as_str(), asked.now).await?;
                let facts = json!({ "v": 1, "name": document.name });
                asked.tell_of_document(tx, &document, "document.deleted", facts, &reason, Vec::new()).await
            })
        })
        .await
}

/// Sends a real message and reports the answer. Nothing is kept, nothing is tried again. Errors: `not-found`, and
/// what the channel's settings lack.
pub async fn test(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<ChannelTested, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let (document, rules) = asked.load_channel(&mut tx, name).await?;
    let channel = engine.open_channel(&mut tx, asked.tenant(), &document, &rules).await?;
    drop(tx);
    let id = engine.mint(EventId::mint);
    let summary = format!("a test of the channel `{name}`, asked for by {actor}");
    let mut message = engine.bare_message(Class::Test, "channel.test", &summary);
    message.thread = format!("test:{id}");
    "nothing: this message shows that the channel works".clone_into(&mut message.asked);
    let outcome = attempt(channel, Ok(message)).await;
    Ok(match &outcome {
        Outcome::Delivered { answer } => {
            ChannelTested { is_delivered: true, code: String::new(), answer: answer.clone(), hint: String::new() }
        }
        other => {
            let because = other.because().cloned().unwrap_or_else(|| crate::rotation::Because::new("unknown", "", ""));
            ChannelTested { is_delivered: false, code: because.code, answer: because.sentence, hint: because.hint }
        }
    })
}

/// Opens a channel as a send would, and sends nothing. Errors: `not-found`.
pub async fn look(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<ChannelTried, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let (document, rules) = asked.load_channel(&mut tx, name).await?;
    let opened = engine.open_channel(&mut tx, asked.tenant(), &document, &rules).await;
    let none = String::new;
    Ok(match opened {
        Ok(_) => ChannelTried { is_usable: true, code: none(), finding: none(), hint: none() },
        Err(trouble) => ChannelTried {
            is_usable: false,
            code: trouble.code.into_owned(),
            finding: trouble.sentence,
            hint: trouble.hint,
        },
    })
}

/// Refuses names of channels that do not exist.
pub(super) async fn refuse_unknown(asked: &Asked, tx: &mut Tx, names: &[String]) -> Result<(), Trouble> {
    for name in names {
        if document::find(tx, asked.keyring(), asked.tenant(), kind::CHANNEL, name).await?.is_none() {
            let sentence = format!("no channel is named `{name}`");
            let hint = "make it first with `keywheel channel put`; `keywheel channel list` shows what there is";
            return Err(Trouble::new(Kind::Invalid, "unknown-channel", sentence, hint));
        }
    }
    Ok(())
}
