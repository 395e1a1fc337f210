//! A person's decision about a stuck rotation: which of the stored values is the one that the target accepts.
//!
//! The choice must log in, or be said to be unverified, with a reason. One transaction records the decision, makes
//! the version current, and ends what waited for the rotation.

use std::{collections::HashMap, sync::Arc};

use keywheel_contract::{Probing, Seen, Work, verdict_of};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    asked::{Asked, conflict, invalid},
    journal::{Journal, Step},
    secret_fields::check_text,
    secret_read::select,
    views::VersionView,
};
use crate::{
    engine::{
        Engine, Kind, Trouble,
        call::{Call, Right},
    },
    model::{Actor, EventId, OccurrenceEnd, Secret, Stage, Version, VersionId},
    rotation::{Keep, Recorded, Rotation, Status},
    store::{Tx, Written, agenda, alert, occurrence, rotation::Entry, secret, target, version},
};

/// A decision about a stuck rotation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResolveRotation {
    /// `candidate`, `current`, a version's number or id, or `-` for none of them.
    pub keep: String,
    /// Whether the choice is taken on the asker's word, without a login.
    pub unverified: bool,
    /// Why; needed where nothing logs in.
    pub reason: String,
}

/// The answer to a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resolved {
    /// The rotation.
    pub rotation: String,
    /// The secret's name.
    pub secret: String,
    /// The version that is kept.
    pub kept: Option<VersionView>,
    /// Whether it was seen to log in.
    pub is_verified: bool,
}

/// What was seen of the versions at work.
type SeenOf = HashMap<VersionId, Seen>;

/// Decides a stuck rotation.
///
/// Errors: `not-found`, `rotation-not-stuck`, `version-not-found`, `version-destroyed`, `reason-missing`;
/// `value-refused` or `target-unreachable` where the choice does not log in and is not said to be unverified.
pub async fn resolve(
    engine: &Arc<Engine>,
    actor: &Actor,
    id: &str,
    request: ResolveRotation,
) -> Result<Resolved, Trouble> {
    check_text("reason", &request.reason)?;
    let asked = Asked::new(engine, actor);
    let keeps_nothing = request.keep == "-";
    if (request.unverified || keeps_nothing) && request.reason.trim().is_empty() {
        let sentence = "a decision that no login proves needs a reason";
        return Err(invalid("reason-missing", sentence, "say why with `--reason`"));
    }
    let seen = if request.unverified { SeenOf::new() } else { asked.look_before_resolving(id, &request.keep).await? };
    let id = id.to_owned();
    asked.write(move |asked, tx| Box::pin(async move { asked.write_resolution(tx, &id, &request, &seen).await })).await
}

fn refuse_not_stuck(entry: &Entry, fold: &Rotation) -> Result<(), Trouble> {
    if matches!(fold.status, Status::Stuck { .. }) {
        return Ok(());
    }
    let sentence = format!("the rotation `{}` is not stuck, it is `{}`", entry.id, fold.status.word());
    let hint = format!("`keywheel rotation show {}` says what it does", entry.id);
    Err(conflict("rotation-not-stuck", sentence, hint))
}

/// The version that is to be kept; none for `-`.
fn chosen<'v>(
    secret: &Secret,
    fold: &Rotation,
    versions: &'v [Version],
    keep: &str,
) -> Result<Option<&'v Version>, Trouble> {
    let by_id = |id: Option<&VersionId>| {
        let found = id.and_then(|id| versions.iter().find(|version| version.id == *id));
        found.ok_or_else(|| invalid("version-not-found", format!("there is no `{keep}` to keep"), "choose another one"))
    };
    let version = match keep {
        "-" => return Ok(None),
        "candidate" => by_id(fold.candidate().map(|candidate| &candidate.version))?,
        "current" => by_id(fold.planned.current.as_ref())?,
        "" => {
            let hint = "write `candidate`, `current`, a version's number or id, or `-` for none of them";
            return Err(invalid("keep-missing", "nothing says what is to be kept", hint));
        }
        text => select(secret, versions, text)?,
    };
    if version.token.is_none() {
        let sentence = format!("the value of version `{}` was destroyed", version.id);
        return Err(conflict("version-destroyed", sentence, "choose a version that has a value"));
    }
    Ok(Some(version))
}

impl Asked {
    /// Tries the choice at the target, and then every other version at work. Changes nothing.
    async fn look_before_resolving(&self, id: &str, keep: &str) -> Result<SeenOf, Trouble> {
        let tx = &mut self.engine.store.read().await?;
        let entry = self.load_entry(tx, id).await?;
        let Journal { fold, .. } = self.journal(tx, &entry.id).await?;
        refuse_not_stuck(&entry, &fold)?;
        let found = secret::find(tx, self.keyring(), self.tenant(), &entry.secret).await?;
        let found = found.ok_or_else(|| Trouble::not_found("rotation", id))?;
        let place = target::find(tx, self.keyring(), self.tenant(), &fold.planned.target).await?;
        let place = place.ok_or_else(|| Trouble::not_found("target", fold.planned.target.as_str()))?;
        let versions = version::list(tx, self.keyring(), self.tenant(), &found.id).await?;
        let choice = chosen(&found, &fold, &versions, keep)?;
        let rotator = self.engine.rotators.find(&fold.planned.rotator)?;
        let declared = rotator.declare(&place.settings, &fold.planned.settings)?;
        let work = Work {
            rotation: entry.id.clone(),
            secret: found.name.to_string(),
            settings: fold.planned.settings.clone(),
            current: None,
            next_due_at: fold.planned.next_due_at,
        };
        let target = self.engine.resolve_target(&place).await?;
        let call = Call { right: Right::Look, engine: Arc::clone(&self.engine), rotator, target, work };
        let mut seen = SeenOf::new();
        if let Some(choice) = choice {
            let verdict = self.try_version(&call, choice).await?;
            refuse_unproven(place.name.as_str(), choice, &verdict)?;
            seen.insert(choice.id.clone(), verdict);
        }
        let others = versions.iter().filter(|version| version.stage != Stage::Retired && version.token.is_some());
        for other in others.filter(|_| declared.probing == Probing::Any) {
            if !seen.contains_key(&other.id) {
                seen.insert(other.id.clone(), self.try_version(&call, other).await?);
            }
        }
        Ok(seen)
    }

    async fn try_version(&self, call: &Call, version: &Version) -> Result<Seen, Trouble> {
        let value = self.engine.open(version)?;
        Ok(verdict_of(&call.probe(value).await?))
    }
}

fn refuse_unproven(target: &str, choice: &Version, seen: &Seen) -> Result<(), Trouble> {
    let hint = "choose another version, or decide with `--unverified --reason TEXT`";
    match seen {
        Seen::Works => Ok(()),
        Seen::Refused { .. } => {
            let sentence = format!("the target `{target}` refuses version `{}`", choice.id);
            Err(Trouble::new(Kind::Refused, "value-refused", sentence, hint))
        }
        Seen::Unreachable { because } => {
            let sentence = format!("the target `{target}` did not say whether it accepts the value: {because}");
            Err(Trouble::new(Kind::Unavailable, "target-unreachable", sentence, hint))
        }
    }
}

impl Asked {
    async fn write_resolution(
        &self,
        tx: &mut Tx,
        id: &str,
        request: &ResolveRotation,
        seen: &SeenOf,
    ) -> Result<Resolved, Trouble> {
        let (entry, mut found, Journal { fold, .. }) = self.lock_rotation(tx, id).await?;
        refuse_not_stuck(&entry, &fold)?;
        let versions = version::list(tx, self.keyring(), self.tenant(), &found.id).await?;
        let choice = chosen(&found, &fold, &versions, &request.keep)?.map(|version| version.id.clone());
        let is_verified = choice.as_ref().is_some_and(|id| seen.get(id) == Some(&Seen::Works));
        if choice.is_some() && !is_verified && !request.unverified {
            return Err(conflict("rotation-moved-on", "the choice means another version now", "look at it again"));
        }
        let is_candidate =
            choice.as_ref().is_some_and(|id| fold.candidates.iter().any(|candidate| candidate.version == *id));
        let mut written = Vec::new();
        let kept = self.settle_versions(tx, &mut found, versions, choice.as_ref(), seen, &mut written).await?;
        found.rotation = None;
        written.push(secret::update(tx, self.keyring(), &mut found).await?);
        if is_candidate {
            written.extend(self.count_anew(tx, &found, kept.as_ref()).await?);
        }
        self.end_occurrences(tx, &entry, &found, &fold, is_candidate).await?;
        self.close_alerts(tx, &found, kept.as_ref()).await?;
        let keep = choice.map_or(Keep::Nothing, |version| Keep::Version { version });
        let recorded = Recorded::Resolved { choice: keep, verified: is_verified };
        self.record(tx, &found, &entry, Step { fold, recorded, reason: &request.reason, written }).await?;
        agenda::pull(tx, found.id.as_str(), self.now).await?;
        Ok(Resolved {
            rotation: entry.id.to_string(),
            secret: found.name.to_string(),
            kept: kept.as_ref().map(VersionView::from),
            is_verified,
        })
    }

    /// Makes the choice current and sets the others aside, by what was seen of each.
    async fn settle_versions(
        &self,
        tx: &mut Tx,
        found: &mut Secret,
        versions: Vec<Version>,
        choice: Option<&VersionId>,
        seen: &SeenOf,
        written: &mut Vec<Written>,
    ) -> Result<Option<Version>, Trouble> {
        let mut kept = None;
        for mut one in versions {
            let is_choice = choice == Some(&one.id);
            let stays = one.stage == Stage::Retired || (choice.is_none() && one.stage == Stage::Current);
            if is_choice {
                if one.number.is_none() {
                    one.number = Some(found.next_number);
                    found.next_number += 1;
                }
                if one.stage != Stage::Current {
                    one.published_at = Some(self.now);
                }
                one.stage = Stage::Current;
                (one.retire_at, one.retired_at) = (None, None);
            } else if stays || (one.stage == Stage::Previous && one.retire_at.is_some()) {
                continue;
            } else {
                let was_seen = seen.get(&one.id);
                self.put_aside(found, &mut one, was_seen);
            }
            written.push(version::update(tx, self.keyring(), &mut one).await?);
            if is_choice {
                kept = Some(one);
            }
        }
        Ok(kept)
    }

    async fn end_occurrences(
        &self,
        tx: &mut Tx,
        entry: &Entry,
        found: &Secret,
        fold: &Rotation,
        is_candidate: bool,
    ) -> Result<(), Trouble> {
        for mut open in occurrence::list_open(tx, self.tenant(), &found.id).await? {
            let is_mine = open.rotation.as_ref() == Some(&entry.id) || fold.planned.occurrences.contains(&open.id);
            if !is_mine {
                continue;
            }
            open.end = Some(if is_candidate { OccurrenceEnd::Done } else { OccurrenceEnd::Failed });
            open.ended_at = Some(self.now);
            open.rotation = Some(entry.id.clone());
            open.why = format!("resolved by {}", self.actor);
            occurrence::update(tx, &open).await?;
        }
        Ok(())
    }

    async fn close_alerts(&self, tx: &mut Tx, found: &Secret, kept: Option<&Version>) -> Result<(), Trouble> {
        alert::close_all(tx, self.tenant(), found.id.as_str(), self.now).await?;
        if kept.is_some() {
            return Ok(());
        }
        let drifted = alert::Alert {
            subject: found.id.to_string(),
            kind: "drifted".to_owned(),
            sentence: format!("the target accepts none of the stored values of `{}`", found.name),
            hint: format!("`keywheel adopt {}` with the value that the account has now", found.name),
            opened_at: self.now,
            closed_at: None,
        };
        alert::open(tx, self.tenant(), &self.engine.mint(EventId::mint), &drifted).await?;
        Ok(())
    }
}
