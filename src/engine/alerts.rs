//! What needs a person: opened and closed in the transaction of what it tells.

use keywheel_contract::Failure;
use serde_json::{Value, json};

use super::{
    Engine,
    load::Subject,
    runner::{RunError, Runner},
};
use crate::{
    model::{Actor, DocumentId, EventId, SecretId, TargetId, TenantId},
    rotation::Because,
    store::{
        NewEvent, StoreError, Tx,
        alert::{self, Alert},
        event,
    },
};

/// The kinds of alert.
pub(crate) mod kind {
    /// A rotation can go neither forward nor back without a person.
    pub(crate) const STUCK: &str = "stuck";
    /// The last rotation failed.
    pub(crate) const FAILED: &str = "rotation-failed";
    /// Whether a change took effect cannot be learned.
    pub(crate) const UNDECIDED: &str = "rotation-undecided";
    /// The target refuses the current value.
    pub(crate) const DRIFTED: &str = "drifted";
    /// The target does not answer.
    pub(crate) const UNREACHABLE: &str = "target-unreachable";
    /// A copy cannot be delivered.
    pub(crate) const DELIVERY: &str = "delivery-failing";
    /// The version before cannot be retired.
    pub(crate) const RETIREMENT: &str = "retirement-failing";
    /// Notices cannot be delivered by a channel.
    pub(crate) const CHANNEL: &str = "channel-failing";
    /// A certificate that was found before is gone.
    pub(crate) const VANISHED: &str = "certificate-vanished";
    /// An endpoint presents an older certificate than is known for its names.
    pub(crate) const DIFFERS: &str = "certificate-differs";
}

/// Something that is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Wrong {
    subject: String,
    kind: &'static str,
    sentence: String,
    hint: String,
}

impl Wrong {
    pub(crate) fn of_secret(id: &SecretId, kind: &'static str, sentence: String, hint: String) -> Self {
        Self { subject: id.as_str().to_owned(), kind, sentence, hint }
    }

    pub(crate) fn of_target(id: &TargetId, kind: &'static str, sentence: String, hint: String) -> Self {
        Self { subject: id.as_str().to_owned(), kind, sentence, hint }
    }

    pub(crate) fn of_channel(id: &DocumentId, sentence: String, hint: String) -> Self {
        Self { subject: id.as_str().to_owned(), kind: kind::CHANNEL, sentence, hint }
    }

    pub(crate) fn stuck(id: &SecretId, because: &Because) -> Self {
        Self::of_secret(id, kind::STUCK, because.sentence.clone(), because.hint.clone())
    }

    pub(super) fn undecided(subject: &Subject, failure: &Failure) -> Self {
        let sentence = format!("whether the change took effect is unknown: {}", failure.sentence);
        Self::of_secret(&subject.secret.id, kind::UNDECIDED, sentence, failure.hint.clone())
    }
}

impl Engine {
    /// Opens an alert inside a transaction, with the event that tells it unless it was open.
    pub(crate) async fn open_alert(&self, tx: &mut Tx, tenant: &TenantId, wrong: &Wrong) -> Result<(), StoreError> {
        let alert = Alert {
            subject: wrong.subject.clone(),
            kind: wrong.kind.to_owned(),
            sentence: wrong.sentence.clone(),
            hint: wrong.hint.clone(),
            opened_at: self.now(),
            closed_at: None,
        };
        if alert::open(tx, tenant, &self.mint(EventId::mint), &alert).await? {
            let facts = json!({ "v": 1, "alert": alert.kind, "sentence": alert.sentence, "hint": alert.hint });
            self.tell_alert(tx, tenant, &alert.subject, "alert.opened", facts).await?;
        }
        Ok(())
    }

    /// Closes alerts of a subject inside a transaction.
    pub(crate) async fn close_alerts(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        subject: &str,
        kinds: &[&str],
    ) -> Result<(), StoreError> {
        for kind in alert::close(tx, tenant, subject, kinds, self.now()).await? {
            let facts = json!({ "v": 1, "alert": kind });
            self.tell_alert(tx, tenant, subject, "alert.closed", facts).await?;
        }
        Ok(())
    }

    async fn tell_alert(
        &self,
        tx: &mut Tx,
        tenant: &TenantId,
        subject: &str,
        kind: &str,
        facts: Value,
    ) -> Result<(), StoreError> {
        let new = NewEvent {
            id: self.mint(EventId::mint),
            tenant: tenant.clone(),
            subject: subject.to_owned(),
            rotation: None,
            kind: kind.to_owned(),
            facts,
            written: Vec::new(),
            actor: Actor::daemon(),
            reason: String::new(),
            at: self.now(),
        };
        event::append(tx, self.keyring(), new).await.map(|_| ())
    }
}

impl Runner {
    /// Opens an alert in a transaction of its own, under the claim.
    pub(super) async fn alert(&self, wrong: Wrong) -> Result<(), RunError> {
        let (engine, claim) = (std::sync::Arc::clone(&self.engine), self.claim.clone());
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    crate::store::agenda::hold(tx, &claim.subject, claim.fence).await?;
                    engine.open_alert(tx, &claim.tenant, &wrong).await
                })
            })
            .await
            .map_err(RunError::from)
    }
}
