//! Rotations as people see and steer them: list, show, retry, roll back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    asked::{Asked, conflict, read_name},
    journal::{Journal, Step},
    rotate::request_occurrence,
    secret_fields::check_text,
    views::{EventView, OccurrenceView, RotationLine, VersionView},
    wire::Moment,
};
use crate::{
    clock::from_micros,
    engine::{Engine, Trouble},
    model::{Actor, Secret, SecretId, Stage},
    rotation::{Because, Next, Recorded, Rotation, Status, plan},
    store::{Tx, agenda, occurrence, rotation, rotation::Entry, secret, version},
};

/// Which rotations to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListRotations {
    /// Those of this secret alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Whether those alone that have not ended.
    pub open: bool,
    /// A cursor: the last id of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How many at most, 1 to 1,000; 50 if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
}

/// A rotation as its journal tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RotationView {
    /// What the list shows of it.
    #[serde(flatten)]
    pub line: RotationLine,
    /// Whether it has ended.
    pub is_final: bool,
    /// What happens next, in a few words.
    pub next: String,
    /// Attempts to apply.
    pub attempts: u32,
    /// Attempts to put the target back.
    pub reverts: u32,
    /// The last failure, or why it is stuck.
    pub failure: Option<Reason>,
    /// Its candidates, oldest first.
    pub candidates: Vec<VersionView>,
    /// The version that was in use before.
    pub before: Option<VersionView>,
    /// What it works for.
    pub occurrences: Vec<OccurrenceView>,
    /// Its journal, oldest first.
    pub timeline: Vec<EventView>,
}

/// Why something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// A stable code.
    pub code: String,
    /// What happened.
    pub sentence: String,
    /// What solves it.
    pub hint: String,
}

impl From<&Because> for Reason {
    fn from(because: &Because) -> Self {
        Self { code: because.code.clone(), sentence: because.sentence.clone(), hint: because.hint.clone() }
    }
}

/// A wish about a rotation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Wish {
    /// Why.
    pub reason: String,
}

/// What a wish led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Granted {
    /// The rotation.
    pub rotation: String,
    /// What happens now.
    pub sentence: String,
    /// The request for a new rotation, where the wish needs one.
    pub occurrence: Option<String>,
}

/// Says in a few words what happens next.
fn next_words(fold: &Rotation, now: i64) -> String {
    match plan(fold, now) {
        Next::TakeOver | Next::Settle | Next::Probe => "finds out what the target accepts".to_owned(),
        Next::Prepare => "makes a candidate".to_owned(),
        Next::Apply { attempt } => format!("applies the candidate, attempt {attempt}"),
        Next::Verify => "uses the candidate at every endpoint".to_owned(),
        Next::Publish => "makes the candidate current".to_owned(),
        Next::TurnBack { .. } | Next::Revert { .. } => "puts the target back".to_owned(),
        Next::EndUnwound { .. } => "ends without a change".to_owned(),
        Next::Wait { until } => format!("waits until {}", Moment(from_micros(until))),
        Next::Nothing if matches!(fold.status, Status::Stuck { .. }) => "waits for a person's decision".to_owned(),
        Next::Nothing => "nothing: it has ended".to_owned(),
    }
}

/// Lists rotations, newest first. Errors: `not-found` for a secret that does not exist.
pub async fn list(engine: &Arc<Engine>, actor: &Actor, request: &ListRotations) -> Result<Vec<RotationLine>, Trouble> {
    let asked = Asked::new(engine, actor);
    let limit = request.limit.unwrap_or(50).clamp(1, 1_000);
    let tx = &mut engine.store.read().await?;
    let of = match &request.secret {
        Some(name) => Some(asked.load_secret(tx, read_name(name)?.as_str()).await?.id),
        None => None,
    };
    let entries = if request.open {
        let open = rotation::list_open(tx, asked.tenant(), limit).await?;
        open.into_iter().filter(|entry| of.as_ref().is_none_or(|id| entry.secret == *id)).collect()
    } else {
        rotation::list(tx, asked.tenant(), of.as_ref(), request.before.as_deref(), limit).await?
    };
    let mut lines = Vec::with_capacity(entries.len());
    for entry in &entries {
        let name = asked.name_of(tx, &entry.secret).await?;
        lines.push(RotationLine::of(entry, name));
    }
    Ok(lines)
}

/// Shows a rotation: where it stands, its candidates, its journal. Errors: `not-found`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, id: &str) -> Result<RotationView, Trouble> {
    let asked = Asked::new(engine, actor);
    let tx = &mut engine.store.read().await?;
    let entry = asked.load_entry(tx, id).await?;
    let Journal { events, fold } = asked.journal(tx, &entry.id).await?;
    let versions = version::list(tx, asked.keyring(), asked.tenant(), &entry.secret).await?;
    let of = |id: &crate::model::VersionId| versions.iter().find(|version| version.id == *id).map(VersionView::from);
    let known = occurrence::list(tx, asked.tenant(), &entry.secret, 1_000).await?;
    let mine =
        known.iter().filter(|o| o.rotation.as_ref() == Some(&entry.id) || fold.planned.occurrences.contains(&o.id));
    let why = match &fold.status {
        Status::Stuck { because } | Status::Unwound { because } => Some(because),
        _ => fold.failure.as_ref(),
    };
    Ok(RotationView {
        line: RotationLine::of(&entry, asked.name_of(tx, &entry.secret).await?),
        is_final: fold.status.is_final(),
        next: next_words(&fold, crate::clock::micros(asked.now)),
        attempts: fold.attempts,
        reverts: fold.reverts,
        failure: why.map(Reason::from),
        candidates: fold.candidates.iter().filter_map(|candidate| of(&candidate.version)).collect(),
        before: fold.planned.current.as_ref().and_then(of),
        occurrences: mine.map(OccurrenceView::from).collect(),
        timeline: events.iter().map(EventView::from).collect(),
    })
}

impl Asked {
    pub(super) async fn name_of(&self, tx: &mut Tx, id: &SecretId) -> Result<String, Trouble> {
        let found = secret::find(tx, self.keyring(), self.tenant(), id).await?;
        Ok(found.map_or_else(|| id.to_string(), |secret| secret.name.to_string()))
    }

    /// Holds the row of a rotation's secret, and reads both as they then are.
    pub(super) async fn lock_rotation(&self, tx: &mut Tx, id: &str) -> Result<(Entry, Secret, Journal), Trouble> {
        let entry = self.load_entry(tx, id).await?;
        agenda::lock(tx, entry.secret.as_str()).await?;
        let found = secret::find(tx, self.keyring(), self.tenant(), &entry.secret).await?;
        let found = found.ok_or_else(|| Trouble::not_found("rotation", id))?;
        let entry = self.load_entry(tx, id).await?;
        let journal = self.journal(tx, &entry.id).await?;
        Ok((entry, found, journal))
    }

    fn granted(rotation: &Entry, sentence: impl Into<String>) -> Granted {
        Granted { rotation: rotation.id.to_string(), sentence: sentence.into(), occurrence: None }
    }
}

/// Looks again now: at a stuck rotation, at one that waits, or at a failed one whose occurrence is still open. A
/// target whose breaker is open is tried at once. Errors: `not-found`, `rotation-ended`.
pub async fn retry(engine: &Arc<Engine>, actor: &Actor, id: &str, wish: Wish) -> Result<Granted, Trouble> {
    check_text("reason", &wish.reason)?;
    let id = id.to_owned();
    let asked = Asked::new(engine, actor);
    asked.write(move |asked, tx| Box::pin(async move { asked.retry(tx, &id, &wish).await })).await
}

impl Asked {
    async fn retry(&self, tx: &mut Tx, id: &str, wish: &Wish) -> Result<Granted, Trouble> {
        let (entry, found, journal) = self.lock_rotation(tx, id).await?;
        let granted = match &journal.fold.status {
            Status::Stuck { .. } => {
                let (recorded, reason) = (Recorded::Retried, wish.reason.as_str());
                let step = Step { fold: journal.fold, recorded, reason, written: Vec::new() };
                self.record(tx, &found, &entry, step).await?;
                Self::granted(&entry, "looks again at what the target accepts")
            }
            status if status.is_final() => {
                let mut waiting = 0;
                for mut open in occurrence::list_open(tx, self.tenant(), &found.id).await? {
                    open.not_before = None;
                    occurrence::update(tx, &open).await?;
                    waiting += 1;
                }
                if waiting == 0 {
                    let hint = format!("`keywheel rotate {}` asks for another one", found.name);
                    let sentence = format!("the rotation `{id}` has ended, and nothing waits for another one");
                    return Err(conflict("rotation-ended", sentence, hint));
                }
                let facts = json!({ "v": 1, "occurrences": waiting });
                self.tell(tx, &found, "rotation.hastened", facts, &wish.reason, Vec::new()).await?;
                Self::granted(&entry, "another rotation begins at once")
            }
            _ => Self::granted(&entry, next_words(&journal.fold, crate::clock::micros(self.now))),
        };
        if let Some(target) = &found.target {
            agenda::pull(tx, target.as_str(), self.now).await?;
        }
        agenda::pull(tx, found.id.as_str(), self.now).await?;
        Ok(granted)
    }
}

/// Goes back: a running rotation unwinds; for a finished one a new rotation begins whose candidate is the value that
/// was current before. Errors: `not-found`, `rotation-stuck`, `rotation-unwound`, `not-the-last`,
/// `version-destroyed`, `rotation-running`.
pub async fn rollback(engine: &Arc<Engine>, actor: &Actor, id: &str, wish: Wish) -> Result<Granted, Trouble> {
    check_text("reason", &wish.reason)?;
    let id = id.to_owned();
    let asked = Asked::new(engine, actor);
    asked.write(move |asked, tx| Box::pin(async move { asked.rollback(tx, &id, &wish).await })).await
}

impl Asked {
    async fn rollback(&self, tx: &mut Tx, id: &str, wish: &Wish) -> Result<Granted, Trouble> {
        let (entry, found, journal) = self.lock_rotation(tx, id).await?;
        match &journal.fold.status {
            Status::Stuck { .. } => {
                let hint = format!("`keywheel rotation retry {id}` or `keywheel rotation resolve {id} --keep current`");
                Err(conflict("rotation-stuck", format!("the rotation `{id}` is stuck"), hint))
            }
            Status::Unwound { .. } | Status::Resolved => {
                let sentence = format!("the rotation `{id}` ended without a value that could be rolled back");
                Err(conflict("rotation-unwound", sentence, "nothing to do"))
            }
            Status::Published { .. } => self.rollback_finished(tx, &entry, &found, &journal.fold, wish).await,
            _ => {
                let sentence =
                    if wish.reason.is_empty() { "an operator asked for the way back" } else { wish.reason.as_str() };
                let because = Because::new("rolled-back", sentence, "nothing to do");
                let recorded = Recorded::RollbackRequested { because };
                let step = Step { fold: journal.fold, recorded, reason: &wish.reason, written: Vec::new() };
                self.record(tx, &found, &entry, step).await?;
                agenda::pull(tx, found.id.as_str(), self.now).await?;
                Ok(Self::granted(&entry, "goes back as soon as the step that runs has ended"))
            }
        }
    }

    async fn rollback_finished(
        &self,
        tx: &mut Tx,
        entry: &Entry,
        found: &Secret,
        fold: &Rotation,
        wish: &Wish,
    ) -> Result<Granted, Trouble> {
        super::asked::refuse_deleted(found)?;
        super::asked::refuse_in_rotation(found)?;
        let versions = version::list(tx, self.keyring(), self.tenant(), &found.id).await?;
        let published = |id| matches!(&fold.status, Status::Published { version, .. } if version == id);
        let current = versions.iter().find(|version| version.stage == Stage::Current);
        if !current.is_some_and(|version| published(&version.id)) {
            let sentence = format!("the value of `{}` has changed since the rotation `{}`", found.name, entry.id);
            let hint = format!("`keywheel rotation list --secret {}` shows the last one", found.name);
            return Err(conflict("not-the-last", sentence, hint));
        }
        let before = fold.planned.current.as_ref().and_then(|id| versions.iter().find(|version| version.id == *id));
        let Some(before) = before.filter(|version| version.token.is_some()) else {
            let sentence = format!("the value before the rotation `{}` is not kept", entry.id);
            return Err(conflict("version-destroyed", sentence, format!("`keywheel rotate {}`", found.name)));
        };
        let reason = if wish.reason.is_empty() { "rollback" } else { &wish.reason };
        let mut wanted = request_occurrence(self, found, reason);
        if self.engine.is_revoked(tx, found, &before.identity).await? {
            let sentence = format!("the certificate before of `{}` was revoked", found.name);
            return Err(conflict("version-revoked", sentence, format!("`keywheel rotate {}`", found.name)));
        }
        wanted.candidate_from = Some(before.id.clone());
        occurrence::insert(tx, &wanted).await?;
        let facts = json!({
            "v": 1, "occurrence": wanted.id, "outcome": "requested", "rolls_back": entry.id, "candidate_from": before.id,
        });
        self.tell(tx, found, "rotation.requested", facts, reason, Vec::new()).await?;
        agenda::pull(tx, found.id.as_str(), self.now).await?;
        let mut granted = Self::granted(entry, "a new rotation begins whose candidate is the value before");
        granted.occurrence = Some(wanted.id.to_string());
        Ok(granted)
    }
}
