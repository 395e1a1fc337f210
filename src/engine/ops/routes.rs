//! Routes and silences: who is told of what, and what nobody wants to hear for a while.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    asked::{Asked, invalid, read_name},
    channels::refuse_unknown,
    secret_fields::check_text,
    wire::Moment,
};
use crate::{
    clock::{from_micros, micros},
    engine::{
        Engine, Trouble,
        notices::rules::{Matcher, RouteRules, SilenceRules, kind, read, severity_of},
    },
    model::{Actor, DocumentId},
    schedule::Window,
    store::{Tx, document},
};

const MOST: i64 = 200;

/// A route and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteView {
    /// Its name.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub rules: RouteRules,
}

/// A silence as somebody wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutSilence {
    /// Which notices.
    #[serde(default, rename = "match")]
    pub matching: Matcher,
    /// Until when.
    pub until: Moment,
    /// Why.
    pub reason: String,
}

/// A silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilenceView {
    /// Its id.
    pub id: String,
    /// Which notices.
    #[serde(rename = "match")]
    pub matching: Matcher,
    /// Until when.
    pub until: Moment,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
    /// Whether it is over.
    pub is_over: bool,
}

fn check_matcher(matcher: &Matcher) -> Result<(), Trouble> {
    match matcher.severity.as_deref() {
        Some(word) if severity_of(word).is_none() => {
            let sentence = format!("`{}` is no severity", word.escape_debug());
            Err(invalid("severity-invalid", sentence, "write `info`, `warning`, `error` or `critical`"))
        }
        _ => Ok(()),
    }
}

pub(super) fn check_route(rules: &RouteRules) -> Result<(), Trouble> {
    check_matcher(&rules.matching)?;
    if rules.channels.is_empty() {
        return Err(invalid("route-empty", "the route names no channel", "name at least one with `--to`"));
    }
    if rules.escalate_after.is_some() == rules.escalate_to.is_empty() {
        let sentence = "an escalation needs both a time and channels";
        return Err(invalid(
            "escalation-incomplete",
            sentence,
            "give `--escalate-after` together with `--escalate-to`",
        ));
    }
    if let Some(quiet) = &rules.quiet {
        quiet.window.parse::<Window>().map_err(|error| invalid(error.code(), error.to_string(), error.hint()))?;
        let zone = quiet.timezone.as_deref().unwrap_or("UTC");
        if zone.parse::<chrono_tz::Tz>().is_err() {
            let sentence = format!("`{}` is no time zone", zone.escape_debug());
            return Err(invalid("zone-unknown", sentence, "write an IANA name such as `Europe/Berlin`"));
        }
    }
    Ok(())
}

/// Makes a route, or changes the one of that name. Errors: `unknown-channel`, `route-empty`, `escalation-incomplete`,
/// `severity-invalid`, a window or zone that cannot be read.
pub async fn put(engine: &Arc<Engine>, actor: &Actor, name: &str, rules: RouteRules) -> Result<RouteView, Trouble> {
    let name = read_name(name)?.to_string();
    check_route(&rules)?;
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                refuse_unknown(&asked, tx, &rules.channels).await?;
                refuse_unknown(&asked, tx, &rules.escalate_to).await?;
                let found = document::find(tx, asked.keyring(), asked.tenant(), kind::ROUTE, &name).await?;
                let mut document = found.unwrap_or_else(|| asked.new_document(kind::ROUTE, &name));
                document.body = json!(rules);
                let written = document::put(tx, asked.keyring(), &mut document).await?;
                let facts = json!({ "v": 1, "name": name, "channels": rules.channels });
                asked.tell_of_document(tx, &document, "route.put", facts, "", vec![written]).await?;
                Ok(RouteView { name, rules })
            })
        })
        .await
}

/// Lists routes by name.
pub async fn list(engine: &Arc<Engine>, actor: &Actor) -> Result<Vec<RouteView>, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = document::list(&mut tx, asked.keyring(), asked.tenant(), kind::ROUTE, "", MOST).await?;
    found.iter().map(|route| Ok(RouteView { name: route.name.clone(), rules: read(route)? })).collect()
}

/// Takes a route away. Errors: `not-found`.
pub async fn delete(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<(), Trouble> {
    remove(engine, actor, kind::ROUTE, name).await
}

async fn remove(engine: &Arc<Engine>, actor: &Actor, kind: &'static str, name: &str) -> Result<(), Trouble> {
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = document::find(tx, asked.keyring(), asked.tenant(), kind, &name).await?;
                let found = found.ok_or_else(|| Trouble::not_found(kind, &name))?;
                document::delete(tx, asked.tenant(), &found.id).await?;
                let facts = json!({ "v": 1, "name": name, "kind": kind });
                asked.tell_of_document(tx, &found, "document.deleted", facts, "", Vec::new()).await
            })
        })
        .await
}

/// Silences what matches until a time. Errors: `silence-over`, `reason-missing`, `severity-invalid`.
pub async fn silence(engine: &Arc<Engine>, actor: &Actor, request: PutSilence) -> Result<SilenceView, Trouble> {
    check_text("reason", &request.reason)?;
    check_matcher(&request.matching)?;
    if request.reason.trim().is_empty() {
        return Err(invalid("reason-missing", "a silence needs a reason", "say why with `--reason`"));
    }
    let asked = Asked::new(engine, actor);
    if request.until.0 <= asked.now {
        let sentence = format!("`{}` is over", request.until);
        return Err(invalid("silence-over", sentence, "give a time that is yet to come"));
    }
    asked.write(move |asked, tx| Box::pin(async move { asked.put_silence(tx, request).await })).await
}

impl Asked {
    async fn put_silence(&self, tx: &mut Tx, request: PutSilence) -> Result<SilenceView, Trouble> {
        let id = self.engine.mint(DocumentId::mint);
        let mut document = self.new_document(kind::SILENCE, id.as_str());
        let rules = SilenceRules { matching: request.matching, until: micros(request.until.0), reason: request.reason };
        document.body = json!(rules);
        let written = document::put(tx, self.keyring(), &mut document).await?;
        let facts = json!({ "v": 1, "name": document.name, "until": rules.until });
        self.tell_of_document(tx, &document, "silence.put", facts, &rules.reason, vec![written]).await?;
        Ok(view(&document, rules, self.now))
    }
}

fn view(document: &document::Document, rules: SilenceRules, now: DateTime<Utc>) -> SilenceView {
    let until = from_micros(rules.until);
    SilenceView {
        id: document.name.clone(),
        matching: rules.matching,
        until: until.into(),
        reason: rules.reason,
        actor: document.created_by.to_string(),
        is_over: until <= now,
    }
}

/// Lists silences, oldest first.
pub async fn list_silences(engine: &Arc<Engine>, actor: &Actor) -> Result<Vec<SilenceView>, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = document::list(&mut tx, asked.keyring(), asked.tenant(), kind::SILENCE, "", MOST).await?;
    found.iter().map(|silence| Ok(view(silence, read(silence)?, asked.now))).collect()
}

/// Ends a silence. Errors: `not-found`.
pub async fn end_silence(engine: &Arc<Engine>, actor: &Actor, id: &str) -> Result<(), Trouble> {
    remove(engine, actor, kind::SILENCE, id).await
}
