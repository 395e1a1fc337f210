//! What answers show of rows: never a value, never a token.

use keywheel_contract::Finding;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::wire::{Moment, moment};
use crate::{
    clock::from_micros,
    model::{Acknowledgement, Occurrence, OccurrenceEnd, OccurrenceOrigin, RotationId, Version, VersionId},
    store::{Event, alert::Alert, delivery::Delivery, rotation::Entry},
};

/// A version without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// Its id.
    pub id: String,
    /// Its number; none before it became current.
    pub number: Option<i64>,
    /// `candidate`, `current`, `previous` or `retired`.
    pub stage: String,
    /// Who it is at the target; empty for a secret without one.
    pub identity: String,
    /// The rotation that made it.
    pub rotation: Option<String>,
    /// When it was made.
    pub created_at: Moment,
    /// Who made it.
    pub created_by: String,
    /// When it became current.
    pub published_at: Option<Moment>,
    /// When the target should stop accepting it.
    pub retire_at: Option<Moment>,
    /// When the target was seen not to accept it any more, or it was set aside.
    pub retired_at: Option<Moment>,
    /// When it was deleted.
    pub deleted_at: Option<Moment>,
    /// When reads of it were switched off.
    pub deactivated_at: Option<Moment>,
    /// When its value was destroyed.
    pub destroyed_at: Option<Moment>,
}

impl From<&Version> for VersionView {
    fn from(version: &Version) -> Self {
        Self {
            id: version.id.to_string(),
            number: version.number,
            stage: version.stage.as_str().to_owned(),
            identity: version.identity.clone(),
            rotation: version.rotation.as_ref().map(RotationId::to_string),
            created_at: version.created_at.into(),
            created_by: version.created_by.to_string(),
            published_at: moment(version.published_at),
            retire_at: moment(version.retire_at),
            retired_at: moment(version.retired_at),
            deleted_at: moment(version.deleted_at),
            deactivated_at: moment(version.deactivated_at),
            destroyed_at: moment(version.destroyed_at),
        }
    }
}

/// One planned fire or one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OccurrenceView {
    /// Its id.
    pub id: String,
    /// `planned` or `requested`.
    pub origin: String,
    /// `open`, `done`, `coalesced`, `missed` or `failed`.
    pub state: String,
    /// The first planned fire that it stands for.
    pub first_at: Moment,
    /// The last planned fire that it stands for.
    pub last_at: Moment,
    /// How many planned fires it stands for.
    pub fires: i64,
    /// Rotations that were tried for it and unwound.
    pub attempts: i64,
    /// No rotation is started for it before this time.
    pub not_before: Option<Moment>,
    /// Who asked.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// The rotation that works, or worked, for it.
    pub rotation: Option<String>,
    /// The kept version whose value is to become current again.
    pub candidate_from: Option<String>,
    /// Why it ended as it did.
    pub why: String,
    /// When it was written.
    pub created_at: Moment,
    /// When it ended.
    pub ended_at: Option<Moment>,
}

impl From<&Occurrence> for OccurrenceView {
    fn from(occurrence: &Occurrence) -> Self {
        Self {
            id: occurrence.id.to_string(),
            origin: OccurrenceOrigin::as_str(occurrence.origin).to_owned(),
            state: occurrence.end.map_or("open", OccurrenceEnd::as_str).to_owned(),
            first_at: occurrence.first_at.into(),
            last_at: occurrence.last_at.into(),
            fires: occurrence.fires,
            attempts: occurrence.attempts,
            not_before: moment(occurrence.not_before),
            actor: occurrence.actor.to_string(),
            reason: occurrence.reason.clone(),
            rotation: occurrence.rotation.as_ref().map(RotationId::to_string),
            candidate_from: occurrence.candidate_from.as_ref().map(VersionId::to_string),
            why: occurrence.why.clone(),
            created_at: occurrence.created_at.into(),
            ended_at: moment(occurrence.ended_at),
        }
    }
}

/// A line of the list of rotations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationLine {
    /// Its id.
    pub id: String,
    /// Its secret's name; the id where the secret is gone.
    pub secret: String,
    /// The word for where it stands.
    pub status: String,
    /// The last failure in a sentence, or nothing.
    pub detail: String,
    /// When it was planned.
    pub started_at: Moment,
    /// When it ended.
    pub ended_at: Option<Moment>,
}

impl RotationLine {
    pub(super) fn of(entry: &Entry, secret: String) -> Self {
        Self {
            id: entry.id.to_string(),
            secret,
            status: entry.status.clone(),
            detail: entry.detail.clone(),
            started_at: entry.started_at.into(),
            ended_at: moment(entry.ended_at),
        }
    }
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    /// What kind of trouble it is, such as `stuck`.
    pub kind: String,
    /// What is wrong.
    pub sentence: String,
    /// What to do.
    pub hint: String,
    /// Since when.
    pub opened_at: Moment,
}

impl From<&Alert> for AlertView {
    fn from(alert: &Alert) -> Self {
        Self {
            kind: alert.kind.clone(),
            sentence: alert.sentence.clone(),
            hint: alert.hint.clone(),
            opened_at: alert.opened_at.into(),
        }
    }
}

/// A delivery and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// Its id.
    pub id: String,
    /// Its name, unique within the secret.
    pub name: String,
    /// `files`.
    pub kind: String,
    /// What the kind asks for.
    pub settings: Value,
    /// Whether it has the current version.
    pub is_delivered: bool,
    /// The number of the version that was delivered last, or its id while it has none.
    pub delivered: Option<String>,
    /// When.
    pub delivered_at: Option<Moment>,
    /// Failures in a row.
    pub attempts: i64,
    /// Not before this time again.
    pub next_at: Option<Moment>,
    /// The last failure, or nothing.
    pub last_error: String,
}

impl DeliveryView {
    pub(super) fn of(delivery: &Delivery, versions: &[Version]) -> Self {
        let current = versions.iter().find(|version| version.stage == crate::model::Stage::Current);
        let known = delivery.delivered.as_ref().and_then(|id| versions.iter().find(|version| version.id == *id));
        let number = known.and_then(|version| version.number).map(|number| number.to_string());
        Self {
            id: delivery.id.to_string(),
            name: delivery.name.clone(),
            kind: delivery.kind.clone(),
            settings: delivery.settings.clone(),
            is_delivered: current.is_some_and(|current| delivery.delivered.as_ref() == Some(&current.id)),
            delivered: number.or_else(|| delivery.delivered.as_ref().map(VersionId::to_string)),
            delivered_at: moment(delivery.delivered_at),
            attempts: delivery.attempts,
            next_at: moment(delivery.next_at),
            last_error: delivery.last_error.clone(),
        }
    }
}

/// An entry of the one append-only record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Its id.
    pub id: String,
    /// What it is about: an id.
    pub subject: String,
    /// Its number among the events of its subject.
    pub seq: i64,
    /// What happened, such as `secret.created`.
    pub kind: String,
    /// The facts, with the version of their format.
    pub facts: Value,
    /// The rotation whose journal it belongs to.
    pub rotation: Option<String>,
    /// Who acted.
    pub actor: String,
    /// Why, in the actor's words.
    pub reason: String,
    /// When.
    pub at: Moment,
}

impl From<&Event> for EventView {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id.to_string(),
            subject: event.subject.clone(),
            seq: event.seq,
            kind: event.kind.clone(),
            facts: event.facts.clone(),
            rotation: event.rotation.as_ref().map(RotationId::to_string),
            actor: event.actor.to_string(),
            reason: event.reason.clone(),
            at: event.at.into(),
        }
    }
}

/// A promise that was knowingly given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcknowledgementView {
    /// The finding's code.
    pub code: String,
    /// What was found when it was acknowledged.
    pub sentence: String,
    /// Who acknowledged.
    pub actor: String,
    /// When.
    pub at: Moment,
}

impl From<&Acknowledgement> for AcknowledgementView {
    fn from(given: &Acknowledgement) -> Self {
        Self {
            code: given.code.clone(),
            sentence: given.sentence.clone(),
            actor: given.actor.to_string(),
            at: from_micros(given.at).into(),
        }
    }
}

/// Something that stands in the way, or a promise that a setting gives up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// A stable kebab-case code.
    pub code: String,
    /// `blocks`, `needs-acknowledgement` or `note`.
    #[schema(value_type = String)]
    pub kind: keywheel_contract::FindingKind,
    /// What was found.
    pub sentence: String,
    /// What to do about it.
    pub hint: String,
    /// Whether it has been acknowledged as it now stands.
    #[serde(default)]
    pub is_acknowledged: bool,
}

impl FindingView {
    pub(super) fn of(finding: &Finding, is_acknowledged: bool) -> Self {
        Self {
            code: finding.code.clone(),
            kind: finding.kind,
            sentence: finding.sentence.clone(),
            hint: finding.hint.clone(),
            is_acknowledged,
        }
    }
}
