//! Many warnings that wait for one channel become one digest.

use std::sync::Arc;

use serde_json::json;

use super::{
    deliver::{Sending, message_of},
    dispatch::GATHER,
    outcome::BREAKS_FROM,
    rules::{RouteRules, kind, rank, read},
};
use crate::{
    engine::{Engine, runner::RunError},
    model::{Actor, EventId, NoticeId},
    notify::{Class, Item, Message, Severity, State},
    store::{
        NewEvent, StoreError, Tx,
        agenda::{self, Claim},
        document, event,
        notices::{
            notice::{self, Notice},
            send::{self, Send},
        },
    },
};

/// How many warnings become a digest, where no route says.
const USUAL: u32 = 10;

/// The most warnings of one digest.
const MOST: i64 = 2_000;

impl Engine {
    /// Joins a first try with the others that wait for the same channel, if they are many. Answers what is to be tried:
    /// itself, or none where it is told in a digest.
    pub(super) async fn gather(self: &Arc<Self>, claim: &Claim, sending: Sending) -> Result<Option<Sending>, RunError> {
        // What tries whether a failing channel works again goes alone: those that wait become one digest afterwards.
        let is_well = sending.health.failures < BREAKS_FROM;
        let may_join = is_well && sending.send.attempts == 0 && sending.notice.class == Class::Expiry.word();
        if !may_join || sending.notice.state != State::Open.word() {
            return Ok(Some(sending));
        }
        let mut tx = self.store.read().await?;
        let waiting = send::list_open(&mut tx, &claim.tenant, &sending.send.channel, None, i64::from(USUAL)).await?;
        drop(tx);
        if waiting.len() < 2 {
            return Ok(Some(sending));
        }
        let (engine, claim, channel) = (Arc::clone(self), claim.clone(), sending.send.channel.clone());
        let is_gathered: bool = self
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let open = send::list_open(tx, &claim.tenant, &channel, None, MOST).await?;
                    engine.make_digest(tx, &claim, open).await
                })
            })
            .await?;
        self.wake();
        Ok((!is_gathered).then_some(sending))
    }

    /// Writes a digest of what was not tried yet; answers whether there was enough.
    async fn make_digest(&self, tx: &mut Tx, claim: &Claim, open: Vec<Send>) -> Result<bool, RunError> {
        let mut parts = Vec::new();
        // What waits for the end of quiet hours goes on waiting.
        let soon = self.now() + GATHER;
        let is_soon = |send: &Send| send.attempts == 0 && send.next_at.is_none_or(|at| at <= soon);
        for send in open.into_iter().filter(is_soon) {
            let found = notice::find(tx, &claim.tenant, &send.notice).await?;
            let is_part = |notice: &Notice| notice.class == Class::Expiry.word() && notice.state == State::Open.word();
            if let Some(notice) = found.filter(is_part) {
                parts.push((send, notice));
            }
        }
        let routes = document::list(tx, self.keyring(), &claim.tenant, kind::ROUTE, "", 1_000).await?;
        let routes: Vec<RouteRules> = routes.iter().map(read).collect::<Result<_, _>>()?;
        let least = routes.iter().filter_map(|route| route.digest_from).min().unwrap_or(USUAL);
        if parts.len() < usize::try_from(least.max(2)).unwrap_or(usize::MAX) {
            return Ok(false);
        }
        let digest = self.write_digest(tx, claim, &parts).await?;
        for (mut send, _) in parts.iter().cloned() {
            "grouped".clone_into(&mut send.state);
            send.answer = digest.id.to_string();
            send.ended_at = Some(self.now());
            send.next_at = None;
            send::update(tx, &claim.tenant, &send).await?;
            if send.id.as_str() != claim.subject {
                agenda::pull(tx, send.id.as_str(), self.now()).await?;
            }
        }
        if let Some((first, _)) = parts.first() {
            self.insert_send(tx, &claim.tenant, &digest, &first.channel, self.now()).await?;
        }
        Ok(true)
    }

    async fn write_digest(&self, tx: &mut Tx, claim: &Claim, parts: &[(Send, Notice)]) -> Result<Notice, StoreError> {
        let messages: Vec<Message> = parts.iter().filter_map(|(_, notice)| message_of(notice).ok()).collect();
        let event = self.mint(EventId::mint);
        let channel = parts.first().map(|(send, _)| send.channel.to_string()).unwrap_or_default();
        let new = NewEvent {
            id: event.clone(),
            tenant: claim.tenant.clone(),
            subject: channel.clone(),
            rotation: None,
            kind: "notice.digest".to_owned(),
            facts: json!({ "v": 1, "notices": parts.iter().map(|(_, notice)| &notice.id).collect::<Vec<_>>() }),
            written: Vec::new(),
            actor: Actor::daemon(),
            reason: String::new(),
            at: self.now(),
        };
        event::append(tx, self.keyring(), new).await?;
        let message = digest_of(messages, &event, self.now());
        let notice = Notice {
            id: self.mint(NoticeId::mint),
            event,
            subject: channel,
            kind: message.kind.clone(),
            class: message.class.word().to_owned(),
            severity: rank(message.severity),
            state: message.state.word().to_owned(),
            thread: message.thread.clone(),
            deadline_at: parts.iter().filter_map(|(_, notice)| notice.deadline_at).min(),
            message: serde_json::to_value(&message).unwrap_or_default(),
            muted: String::new(),
            escalate_at: None,
            created_at: self.now(),
            acked_at: None,
            acked_by: String::new(),
            ack_reason: String::new(),
        };
        notice::insert(tx, &claim.tenant, &notice).await?;
        Ok(notice)
    }
}

/// One message of many, the most urgent first.
fn digest_of(mut messages: Vec<Message>, event: &EventId, now: chrono::DateTime<chrono::Utc>) -> Message {
    messages.sort_by(|one, other| one.expires_at.cmp(&other.expires_at).then_with(|| one.subject.cmp(&other.subject)));
    let severity = messages.iter().map(|message| message.severity).max().unwrap_or(Severity::Warning);
    let tenant = messages.first().map(|message| message.tenant.clone()).unwrap_or_default();
    let link = messages
        .iter()
        .find_map(|message| message.link.as_deref())
        .and_then(|link| link.find("/ui/").map(|at| format!("{}/ui/", &link[..at])));
    Message {
        id: String::new(),
        event_id: event.to_string(),
        kind: "expiry.digest".to_owned(),
        class: Class::Digest,
        severity,
        state: State::Open,
        thread: format!("digest:{event}"),
        tenant,
        subject: String::new(),
        owner: String::new(),
        tags: std::collections::BTreeMap::new(),
        summary: format!("{} credentials expire", messages.len()),
        detail: Vec::new(),
        will_do: String::new(),
        asked: "look through the list, the most urgent first".to_owned(),
        expires_at: messages.iter().filter_map(|message| message.expires_at).min(),
        at: now,
        link,
        items: messages
            .into_iter()
            .map(|message| Item { sentence: line_of(&message), name: message.subject, expires_at: message.expires_at })
            .collect(),
    }
}

/// What a digest says beside a name and a date: the summary without either.
fn line_of(message: &Message) -> String {
    let summary = message.summary.as_str();
    let rest = summary.strip_prefix(&format!("`{}` ", message.subject)).unwrap_or(summary);
    match rest.rsplit_once(" at ") {
        Some((what, _)) if message.expires_at.is_some() => what.trim_end_matches(',').to_owned(),
        _ => rest.to_owned(),
    }
}
