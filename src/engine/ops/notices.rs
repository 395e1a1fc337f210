//! Notices: what was told, to whom, and how far it is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    asked::{Asked, Told, conflict, invalid},
    secret_fields::check_text,
    wire::{Moment, moment},
};
use crate::{
    engine::{
        Engine, Trouble,
        notices::rules::{ChannelRules, read},
    },
    model::{Actor, NoticeId},
    notify::Message,
    store::{
        Tx, agenda, document,
        notices::{
            notice::{self, Notice},
            send::{self, Send},
        },
    },
};

/// Which notices to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListNotices {
    /// Those alone that a channel gave up.
    pub failed: bool,
    /// A cursor: the last id of the page before.
    pub before: String,
    /// How many at most, 1 to 1,000; 100 if it is not given.
    pub limit: Option<u16>,
}

/// One channel's part of a notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SendView {
    /// The channel's name; its id where it is gone.
    pub channel: String,
    /// `waiting`, `sent`, `dead`, `superseded`, `grouped` or `dropped`.
    pub state: String,
    /// Tries so far.
    pub attempts: i64,
    /// When it is tried next.
    pub next_at: Option<Moment>,
    /// The code of the last failure, or nothing.
    pub code: String,
    /// What the receiver said last.
    pub answer: String,
    /// When it ended.
    pub ended_at: Option<Moment>,
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeView {
    /// Its id.
    pub id: String,
    /// The event that it tells.
    pub event: String,
    /// What happened, such as `expiry.warning`.
    pub kind: String,
    /// How urgent it is.
    pub severity: String,
    /// `open` or `resolved`.
    pub state: String,
    /// The secret, target or channel that it is about.
    pub subject: String,
    /// What is told.
    pub summary: String,
    /// What the reader is asked to do.
    pub asked: String,
    /// What keywheel does about it.
    pub will_do: String,
    /// Why nobody was told, or nothing.
    pub muted: String,
    /// When it was made.
    pub created_at: Moment,
    /// When somebody acknowledged it.
    pub acked_at: Option<Moment>,
    /// Who.
    pub acked_by: String,
    /// Why.
    pub ack_reason: String,
    /// Each channel's part.
    pub sends: Vec<SendView>,
}

/// An acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AckNotice {
    /// Why.
    pub reason: String,
}

/// Lists notices, the newest first.
pub async fn list(engine: &Arc<Engine>, actor: &Actor, request: &ListNotices) -> Result<Vec<NoticeView>, Trouble> {
    let asked = Asked::new(engine, actor);
    let limit = i64::from(request.limit.unwrap_or(100).clamp(1, 1_000));
    let mut tx = engine.store.read().await?;
    let found = notice::list_newest(&mut tx, asked.tenant(), &request.before, request.failed, limit).await?;
    let mut views = Vec::with_capacity(found.len());
    for notice in found {
        views.push(asked.view_notice(&mut tx, notice).await?);
    }
    Ok(views)
}

/// Shows a notice. Errors: `not-found`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, id: &str) -> Result<NoticeView, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = asked.load_notice(&mut tx, id).await?;
    asked.view_notice(&mut tx, found).await
}

/// Acknowledges a notice: nobody further is told of it. Errors: `not-found`, `already-acknowledged`.
pub async fn acknowledge(
    engine: &Arc<Engine>,
    actor: &Actor,
    id: &str,
    request: AckNotice,
) -> Result<NoticeView, Trouble> {
    check_text("reason", &request.reason)?;
    let id = id.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = asked.load_notice(tx, &id).await?;
                let (tenant, who) = (asked.tenant(), asked.actor.as_str());
                if !notice::acknowledge_if_open(tx, tenant, &found.id, who, &request.reason, asked.now).await? {
                    let sentence = format!("`{}` was acknowledged by {}", found.id, found.acked_by);
                    let hint = format!("`keywheel notice show {}` tells when and why", found.id);
                    return Err(conflict("already-acknowledged", sentence, hint));
                }
                let facts = json!({ "v": 1, "notice": found.id });
                let told = Told {
                    subject: found.id.as_str(),
                    kind: "notice.acknowledged",
                    facts,
                    reason: &request.reason,
                    written: Vec::new(),
                    rotation: None,
                };
                asked.append(tx, told).await?;
                let again = asked.load_notice(tx, &id).await?;
                asked.view_notice(tx, again).await
            })
        })
        .await
}

/// Sends a notice again, under the same id, by the channels that gave it up; by all, where none did.
///
/// Errors: `not-found`, `nothing-to-resend` where it was never on its way.
pub async fn resend(engine: &Arc<Engine>, actor: &Actor, id: &str) -> Result<NoticeView, Trouble> {
    let id = id.to_owned();
    let asked = Asked::new(engine, actor);
    asked.write(move |asked, tx| Box::pin(async move { asked.resend_notice(tx, &id).await })).await
}

impl Asked {
    async fn resend_notice(&self, tx: &mut Tx, id: &str) -> Result<NoticeView, Trouble> {
        let found = self.load_notice(tx, id).await?;
        let sends = send::list_of_notice(tx, self.tenant(), &found.id).await?;
        let has_dead = sends.iter().any(|send| send.state == "dead");
        let again: Vec<Send> = sends
            .into_iter()
            .filter(|send| if has_dead { send.state == "dead" } else { send.ended_at.is_some() })
            .collect();
        if again.is_empty() {
            let sentence = format!("`{}` has no send that ended", found.id);
            let hint = "it is on its way, or no route leads to a channel: `keywheel route list`";
            return Err(conflict("nothing-to-resend", sentence, hint));
        }
        for mut send in again {
            "waiting".clone_into(&mut send.state);
            (send.attempts, send.next_at, send.ended_at) = (0, Some(self.now), None);
            send::update(tx, self.tenant(), &send).await?;
            let subject = send.id.as_str();
            agenda::insert(tx, subject, self.tenant(), send.channel.as_str(), Some(self.now)).await?;
            agenda::pull(tx, subject, self.now).await?;
        }
        let facts = json!({ "v": 1, "notice": found.id });
        let told = Told {
            subject: found.id.as_str(),
            kind: "notice.resent",
            facts,
            reason: "",
            written: Vec::new(),
            rotation: None,
        };
        self.append(tx, told).await?;
        self.view_notice(tx, found).await
    }

    async fn load_notice(&self, tx: &mut Tx, id: &str) -> Result<Notice, Trouble> {
        let read = NoticeId::parse(id)
            .map_err(|error| invalid("id-invalid", error.to_string(), "`keywheel notices` lists ids"))?;
        let found = notice::find(tx, self.tenant(), &read).await?;
        found.ok_or_else(|| Trouble::not_found("notice", id))
    }

    async fn view_notice(&self, tx: &mut Tx, notice: Notice) -> Result<NoticeView, Trouble> {
        let mut sends = Vec::new();
        for send in send::list_of_notice(tx, self.tenant(), &notice.id).await? {
            let channel = document::find_by_id(tx, self.keyring(), self.tenant(), &send.channel).await?;
            let is_on = channel.as_ref().map(read::<ChannelRules>).transpose()?.is_some();
            let name = channel.filter(|_| is_on).map_or_else(|| send.channel.to_string(), |channel| channel.name);
            sends.push(SendView {
                channel: name,
                state: send.state,
                attempts: send.attempts,
                next_at: moment(send.next_at),
                code: send.code,
                answer: send.answer,
                ended_at: moment(send.ended_at),
            });
        }
        let message = serde_json::from_value::<Message>(notice.message.clone()).ok();
        let word = message.as_ref().map_or("info", |message| message.severity.word());
        let text = |of: fn(&Message) -> &String| message.as_ref().map(of).cloned().unwrap_or_default();
        Ok(NoticeView {
            id: notice.id.to_string(),
            event: notice.event.to_string(),
            kind: notice.kind.clone(),
            severity: word.to_owned(),
            state: notice.state.clone(),
            subject: text(|message| &message.subject),
            summary: text(|message| &message.summary),
            asked: text(|message| &message.asked),
            will_do: text(|message| &message.will_do),
            muted: notice.muted.clone(),
            created_at: notice.created_at.into(),
            acked_at: moment(notice.acked_at),
            acked_by: notice.acked_by.clone(),
            ack_reason: notice.ack_reason.clone(),
            sends,
        })
    }
}
