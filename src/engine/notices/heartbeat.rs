//! Signs of life: a channel that asks for it gets one so often, so that a dead man's switch tells when they stop.
//!
//! A sign is not kept: one that is lost is followed by the next.

use std::sync::Arc;

use super::{
    deliver::attempt,
    rules::{ChannelRules, read},
};
use crate::{
    engine::{Engine, runner::RunError},
    model::{DocumentId, EventId, NoticeId},
    notify::{Class, Message, Outcome, Severity, State},
    store::{agenda::Claim, document},
};

/// Work on a channel's agenda row.
pub(in crate::engine) async fn look_at_channel(
    engine: &Arc<Engine>,
    claim: &Claim,
    id: &DocumentId,
) -> Result<(), RunError> {
    let mut tx = engine.store.read().await?;
    let Some(document) = document::find_by_id(&mut tx, engine.keyring(), &claim.tenant, id).await? else {
        drop(tx);
        return engine.take_off(claim).await;
    };
    let rules: ChannelRules = read(&document)?;
    let Some(every) = rules.heartbeat.filter(|_| rules.enabled_at.is_some()) else {
        drop(tx);
        return Ok(engine.end(claim, None).await?);
    };
    let opened = engine.open_channel(&mut tx, &claim.tenant, &document, &rules).await;
    drop(tx);
    match opened {
        Ok(channel) => {
            let outcome = attempt(channel, Ok(engine.sign_of_life(&document.name))).await;
            if !matches!(outcome, Outcome::Delivered { .. }) {
                let code = outcome.because().map(|because| because.code.clone()).unwrap_or_default();
                tracing::warn!(channel = document.name, code, "a sign of life was not delivered");
            }
        }
        Err(trouble) => tracing::warn!(channel = document.name, code = %trouble.code, "{trouble}"),
    }
    Ok(engine.end(claim, Some(engine.now() + every.as_delta())).await?)
}

impl Engine {
    fn sign_of_life(&self, channel: &str) -> Message {
        self.bare_message(Class::Heartbeat, "daemon.alive", &format!("keywheel is alive, and `{channel}` reaches you"))
    }

    /// A message about the daemon itself.
    pub(crate) fn bare_message(&self, class: Class, kind: &str, summary: &str) -> Message {
        Message {
            id: self.mint(NoticeId::mint).to_string(),
            event_id: self.mint(EventId::mint).to_string(),
            kind: kind.to_owned(),
            class,
            severity: Severity::Info,
            state: State::Open,
            thread: kind.to_owned(),
            tenant: crate::store::tenant::ROOT.to_owned(),
            subject: String::new(),
            owner: String::new(),
            tags: std::collections::BTreeMap::new(),
            summary: summary.to_owned(),
            detail: Vec::new(),
            will_do: String::new(),
            asked: String::new(),
            expires_at: None,
            at: self.now(),
            link: self.options.public_url.clone(),
            items: Vec::new(),
        }
    }
}
