//! News that cannot wait for the store: that the store itself is full goes straight to standard error and to every
//! channel that is open. Nothing of it is kept, and nothing is tried again.

use std::{collections::BTreeMap, sync::Arc};

use super::channels::ATTEMPT;
use crate::{
    engine::Engine,
    model::{EventId, NoticeId},
    notify::{Class, Message, Severity, State},
};

impl Engine {
    /// Tells at once, beside the caller's work.
    pub(in crate::engine) fn shout(&self, kind: &str, summary: &str, asked: &str) {
        tracing::error!(kind, "{summary}; {asked}");
        let message = Arc::new(Message {
            id: self.mint(NoticeId::mint).to_string(),
            event_id: self.mint(EventId::mint).to_string(),
            kind: kind.to_owned(),
            class: Class::Daemon,
            severity: Severity::Critical,
            state: State::Open,
            thread: kind.to_owned(),
            tenant: crate::store::tenant::ROOT.to_owned(),
            subject: String::new(),
            owner: String::new(),
            tags: BTreeMap::new(),
            summary: summary.to_owned(),
            detail: Vec::new(),
            will_do: "no new rotation starts; what runs ends with the room that was kept for it".to_owned(),
            asked: asked.to_owned(),
            expires_at: None,
            at: self.now(),
            link: None,
            items: Vec::new(),
        });
        for channel in self.channels.all() {
            let message = Arc::clone(&message);
            tokio::spawn(async move { channel.send(&message, ATTEMPT).await });
        }
    }
}
