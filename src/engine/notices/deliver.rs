//! One send to its channel: load, order, gather, try, record. A crash after the try and before the record tries again
//! under the same id.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{
    channels::ATTEMPT,
    outcome::{self, After, BREAKS_FROM, FAILING_FROM},
    rules::{ChannelRules, read},
};
use crate::{
    engine::{
        Engine,
        alerts::{Wrong, kind},
        runner::RunError,
    },
    model::{Actor, EventId, SendId},
    notify::{Channel, Message, Outcome},
    rotation::Because,
    store::{
        NewEvent, StoreError, Tx,
        agenda::{self, Claim},
        document::{self, Document},
        event,
        notices::{
            notice::{self, Notice},
            send::{self, Health, Send},
        },
    },
};

/// How long a send waits for an older one of its matter.
const BEHIND: TimeDelta = TimeDelta::seconds(2);

/// How long a send waits while another one tries whether a failing channel works again.
const HALF_OPEN: TimeDelta = TimeDelta::seconds(20);

/// Attempts at the same time by one channel. Mail relays count the connections of one client; a channel that fails
/// leaves the room to others.
fn at_a_time(kind: &str, failures: i64) -> usize {
    match (kind, failures) {
        ("email", 0) => 4,
        (_, 0) => 32,
        _ => 1,
    }
}

/// A send with all that belongs to it.
#[derive(Clone)]
pub(super) struct Sending {
    pub(super) send: Send,
    pub(super) notice: Notice,
    pub(super) document: Document,
    pub(super) rules: ChannelRules,
    pub(super) health: Health,
}

/// What a look at a send finds.
enum Found {
    /// It is over.
    Over,
    /// Its channel is disabled or gone.
    Dropped(Box<Send>),
    /// Not before then.
    Later(DateTime<Utc>),
    /// It is to be tried.
    Ready(Box<Sending>),
}

/// Work on a send's agenda row.
pub(in crate::engine) async fn look_at_send(engine: &Arc<Engine>, claim: &Claim, id: &SendId) -> Result<(), RunError> {
    let found = engine.find_sending(claim, id).await?;
    match found {
        Found::Over => engine.take_off(claim).await,
        Found::Dropped(send) => {
            let dropped = Send { state: "dropped".to_owned(), ended_at: Some(engine.now()), next_at: None, ..*send };
            engine.record_send(claim, dropped).await
        }
        Found::Later(at) => Ok(engine.end(claim, Some(at)).await?),
        Found::Ready(sending) => {
            let Some(sending) = engine.gather(claim, *sending).await? else {
                return engine.take_off(claim).await;
            };
            let outcome = engine.try_send(claim, &sending).await?;
            engine.record_outcome(claim, sending, outcome).await
        }
    }
}

impl Engine {
    async fn find_sending(&self, claim: &Claim, id: &SendId) -> Result<Found, StoreError> {
        let tenant = &claim.tenant;
        let mut tx = self.store.read().await?;
        let Some(send) = send::find(&mut tx, tenant, id).await?.filter(|send| send.ended_at.is_none()) else {
            return Ok(Found::Over);
        };
        let now = self.now();
        if let Some(at) = send.next_at.filter(|at| *at > now) {
            return Ok(Found::Later(at));
        }
        let Some(notice) = notice::find(&mut tx, tenant, &send.notice).await? else { return Ok(Found::Over) };
        let document = document::find_by_id(&mut tx, self.keyring(), tenant, &send.channel).await?;
        let Some(document) = document else { return Ok(Found::Dropped(Box::new(send))) };
        let rules: ChannelRules = read(&document)?;
        if rules.enabled_at.is_none() {
            return Ok(Found::Dropped(Box::new(send)));
        }
        let health = send::find_health(&mut tx, &send.channel).await?;
        self.telling.set_limit(send.channel.as_str(), at_a_time(&rules.kind, health.failures));
        if let Some(until) = health.paused_until.filter(|until| *until > now) {
            return Ok(Found::Later(until));
        }
        let behind = send::list_open(&mut tx, tenant, &send.channel, Some(&send.thread), 1).await?;
        if let Some(older) = behind.first().filter(|older| older.id < send.id) {
            return Ok(Found::Later(older.next_at.unwrap_or(now).max(now) + BEHIND));
        }
        if health.failures >= BREAKS_FROM {
            // One tries whether the channel works again. The others wait untried, so that they can become a digest.
            let first = send::find_first_due(&mut tx, tenant, &send.channel, now).await?;
            if first.is_some_and(|first| first != send.id) {
                return Ok(Found::Later(now + HALF_OPEN));
            }
        }
        Ok(Found::Ready(Box::new(Sending { send, notice, document, rules, health })))
    }

    /// Opens the channel and makes one attempt, in a task of its own: an attempt is never dropped half-way.
    async fn try_send(self: &Arc<Self>, claim: &Claim, sending: &Sending) -> Result<Outcome, RunError> {
        let mut tx = self.store.read().await?;
        let opened = self.open_channel(&mut tx, &claim.tenant, &sending.document, &sending.rules).await;
        drop(tx);
        let channel = match opened {
            Ok(channel) => channel,
            Err(trouble) => {
                let because = Because::new(&trouble.code, trouble.to_string(), trouble.hint);
                return Ok(Outcome::Again { because, not_before: None });
            }
        };
        if !self.claims.stands(&claim.subject, claim.fence, self.clock.boot()) {
            return Err(StoreError::FenceLost { subject: claim.subject.clone() }.into());
        }
        let message = message_of(&sending.notice);
        self.counts.send_tried();
        Ok(attempt(channel, message).await)
    }

    async fn record_outcome(
        self: &Arc<Self>,
        claim: &Claim,
        sending: Sending,
        outcome: Outcome,
    ) -> Result<(), RunError> {
        let mut after = outcome::after(&sending.send, &sending.health, &outcome, self.now(), self.draw());
        let (engine, claim) = (Arc::clone(self), claim.clone());
        let because = outcome.because().cloned();
        self.write(move |tx| {
            Box::pin(async move {
                agenda::hold(tx, &claim.subject, claim.fence).await?;
                if because.is_some()
                    && let Some(ended) = send::find(tx, &claim.tenant, &after.send.id).await?
                    && ended.ended_at.is_some()
                {
                    // A later notice of its matter, or a digest, took its place during the attempt.
                    after.send = ended;
                }
                send::update(tx, &claim.tenant, &after.send).await?;
                if after.is_news_of_health(&sending.health) {
                    send::put_health(tx, &after.send.channel, &after.health).await?;
                }
                engine.tell_of_channel(tx, &claim, &sending, &after, because.as_ref()).await?;
                engine.leave(tx, &claim, &after.send).await
            })
        })
        .await
    }

    /// Opens and closes the alert of a failing channel; tells of a dead letter and of a channel that is gone.
    async fn tell_of_channel(
        &self,
        tx: &mut Tx,
        claim: &Claim,
        sending: &Sending,
        after: &After,
        because: Option<&Because>,
    ) -> Result<(), StoreError> {
        let Some(because) = because else {
            if sending.health.failures >= FAILING_FROM {
                let subject = sending.document.id.as_str();
                self.close_alerts(tx, &claim.tenant, subject, &[kind::CHANNEL]).await?;
            }
            return Ok(());
        };
        let name = &sending.document.name;
        if after.health.failures == FAILING_FROM {
            let sentence = format!("the channel `{name}` fails: {}", because.sentence);
            let wrong = Wrong::of_channel(&sending.document.id, sentence, because.hint.clone());
            self.open_alert(tx, &claim.tenant, &wrong).await?;
        }
        if after.send.state == "dead" {
            let facts = json!({
                "v": 1, "send": after.send.id, "notice": after.send.notice, "why": because.sentence, "hint": because.hint,
            });
            self.append_of_channel(tx, claim, sending, "channel.dead_letter", facts, Vec::new()).await?;
        }
        if after.is_gone {
            let mut document = sending.document.clone();
            let rules =
                ChannelRules { enabled_at: None, disabled_because: because.sentence.clone(), ..sending.rules.clone() };
            document.body = json!(rules);
            let written = document::put(tx, self.keyring(), &mut document).await?;
            let facts = json!({ "v": 1, "why": because.sentence, "hint": because.hint });
            self.append_of_channel(tx, claim, sending, "channel.disabled", facts, vec![written]).await?;
        }
        Ok(())
    }

    async fn append_of_channel(
        &self,
        tx: &mut Tx,
        claim: &Claim,
        sending: &Sending,
        kind: &str,
        facts: serde_json::Value,
        written: Vec<crate::store::Written>,
    ) -> Result<(), StoreError> {
        let new = NewEvent {
            id: self.mint(EventId::mint),
            tenant: claim.tenant.clone(),
            subject: sending.document.id.as_str().to_owned(),
            rotation: None,
            kind: kind.to_owned(),
            facts,
            written,
            actor: Actor::daemon(),
            reason: String::new(),
            at: self.now(),
        };
        event::append(tx, self.keyring(), new).await.map(|_| ())
    }

    async fn record_send(self: &Arc<Self>, claim: &Claim, send: Send) -> Result<(), RunError> {
        let (engine, claim) = (Arc::clone(self), claim.clone());
        self.write(move |tx| {
            Box::pin(async move {
                agenda::hold(tx, &claim.subject, claim.fence).await?;
                send::update(tx, &claim.tenant, &send).await?;
                engine.leave(tx, &claim, &send).await
            })
        })
        .await
    }

    /// Ends the claim of a send, with its row where the send is over.
    async fn leave(&self, tx: &mut Tx, claim: &Claim, send: &Send) -> Result<(), RunError> {
        match send.ended_at {
            Some(_) => agenda::delete(tx, &claim.subject).await?,
            None => agenda::release(tx, claim, send.next_at, &claim.lane).await?,
        }
        Ok(())
    }

    pub(super) async fn take_off(&self, claim: &Claim) -> Result<(), RunError> {
        let claim = claim.clone();
        let job = self.write(move |tx| {
            Box::pin(async move {
                agenda::hold(tx, &claim.subject, claim.fence).await?;
                agenda::delete(tx, &claim.subject).await
            })
        });
        Ok(job.await?)
    }
}

/// The message of a notice, under the id that receivers see.
pub(crate) fn message_of(notice: &Notice) -> Result<Message, Because> {
    let read = serde_json::from_value::<Message>(notice.message.clone());
    let message = read.map_err(|error| Because::new("notice-unreadable", error.to_string(), "see the daemon's log"))?;
    Ok(Message { id: notice.id.to_string(), ..message })
}

/// One attempt, to its end.
pub(crate) async fn attempt(channel: Arc<dyn Channel>, message: Result<Message, Because>) -> Outcome {
    let message = match message {
        Ok(message) => message,
        Err(because) => return Outcome::Refused { because },
    };
    let task = tokio::spawn(async move { channel.send(&message, ATTEMPT).await });
    task.await.unwrap_or_else(|_| Outcome::Unknown {
        because: Because::new("channel-panicked", "the attempt ended by a defect", "see the daemon's log"),
    })
}
