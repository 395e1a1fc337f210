//! The beginning of a rotation, and its candidates.

use std::sync::Arc;

use keywheel_contract::{Failure, Prepared, Work};

use super::{
    Engine, Trouble,
    call::{Call, Right},
    due::CountFrom,
    load::{Running, Subject},
    runner::{RunError, Runner, Then},
};
use crate::{
    clock::micros,
    model::{Material, Occurrence, RotationId, Stage, Version, VersionId},
    rotation::{Because, Planned, Recorded, fold},
    store::{StoreError, agenda, certificate, occurrence, secret, version},
};

impl Runner {
    /// Plans a rotation for the open occurrences that may start. Nothing outside is touched.
    pub(super) async fn start(&self, subject: &Subject) -> Result<Then, RunError> {
        let (Some(target), now) = (&subject.target, self.engine.now()) else { return Ok(Then::LookAgain) };
        let rotator = self.engine.rotators.find(&target.rotator)?;
        let mut open: Vec<Occurrence> =
            subject.open.iter().filter(|open| open.not_before.is_none_or(|at| at <= now)).cloned().collect();
        let Some(first) = open.first() else { return Ok(Then::LookAgain) };
        let id = self.engine.mint(RotationId::mint);
        let mut of = self.journal_of(&id);
        of.actor = first.actor.clone();
        of.reason.clone_from(&first.reason);
        let planned = Recorded::Planned(Planned {
            occurrences: open.iter().map(|open| open.id.clone()).collect(),
            revision: subject.secret.revision,
            rotator: target.rotator.clone(),
            target: target.id.clone(),
            endpoints: rotator.address(&target.settings).map_err(Trouble::from)?,
            settings: subject.secret.settings.clone(),
            current: subject.current().map(|version| version.id.clone()),
            candidate_from: open.iter().rev().find_map(|open| open.candidate_from.clone()),
            next_due_at: self.next_after_this(subject)?,
        });
        let fold = fold([&planned]).map_err(|error| StoreError::Unreadable {
            table: "event",
            row: id.to_string(),
            because: error.to_string(),
        })?;
        let (engine, claim, mut secret) = (Arc::clone(&self.engine), self.claim.clone(), subject.secret.clone());
        let (rotation, begun, known) = (id.clone(), fold.clone(), subject.seq);
        let (secret, open, seq) = self
            .engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    secret.rotation = Some(id.clone());
                    let written = secret::update(tx, engine.keyring(), &mut secret).await?;
                    for open in &mut open {
                        open.rotation = Some(id.clone());
                        occurrence::update(tx, open).await?;
                    }
                    let seq = engine.append_recorded(tx, &of, &planned, vec![written], Some(known)).await?;
                    engine.list_rotation(tx, &of, &fold, now).await?;
                    Ok::<_, StoreError>((secret, open, seq))
                })
            })
            .await?;
        if seq != known + 1 {
            return Ok(Then::LookAgain);
        }
        let running =
            Running { id: rotation, fold: begun, started_at: now, moved_at: now, named: Vec::new(), seq: Some(seq) };
        let mut subject = Subject { secret, seq, running: Some(running), ..subject.clone() };
        for was in &mut subject.open {
            if let Some(is) = open.iter().find(|is| is.id == was.id) {
                was.clone_from(is);
            }
        }
        Ok(Then::GoOn(Box::new(subject)))
    }

    /// When the rotation after one that is published now would be due.
    fn next_after_this(&self, subject: &Subject) -> Result<Option<i64>, Trouble> {
        let now = self.engine.now();
        let Some(schedule) = subject.schedule.as_ref().filter(|schedule| schedule.paused_at.is_none()) else {
            return Ok(None);
        };
        let from = CountFrom { origin: now, published_at: Some(now), now };
        Ok(self.engine.next_due(schedule, &subject.secret, from)?.map(|due| micros(due.at)))
    }

    /// The call of this rotation to its rotator, with the target as it is now.
    pub(super) async fn call(&self, subject: &Subject, running: &Running) -> Result<Call, RunError> {
        let planned = &running.fold.planned;
        let target = self.resolve(subject).await?;
        let current = subject.live.iter().find(|version| planned.current.as_ref() == Some(&version.id));
        let work = Work {
            rotation: running.id.clone(),
            secret: subject.secret.name.to_string(),
            settings: planned.settings.clone(),
            current: current.map(|version| self.engine.open(version)).transpose()?,
            next_due_at: planned.next_due_at,
        };
        Ok(Call {
            rotator: self.engine.rotators.find(&planned.rotator)?,
            target,
            engine: Arc::clone(&self.engine),
            work,
            right: Right::Claim { subject: self.claim.subject.clone(), fence: self.claim.fence },
        })
    }

    /// The target with its admin's credentials, unless a step that was just taken knows them.
    pub(super) async fn resolve(&self, subject: &Subject) -> Result<keywheel_contract::Target, RunError> {
        if let Some(resolved) = &subject.resolved {
            return Ok(resolved.clone());
        }
        let target = subject.target.as_ref().ok_or(StoreError::Stale { what: "target of the secret" })?;
        Ok(self.engine.resolve_target(target).await?)
    }

    /// Makes a candidate, seals it, and records that the first attempt with it begins: all before the target hears
    /// of it.
    pub(super) async fn prepare(&self, subject: &Subject, running: &Running) -> Result<Then, RunError> {
        let call = self.call(subject, running).await?;
        let (material, identity) = match self.candidate(subject, running, &call).await {
            Ok(candidate) => candidate,
            Err(failure) => return self.cannot_prepare(running, &failure).await,
        };
        let sealed = self.engine.seal_version(subject, running, &material, identity.clone())?;
        let certificate = self.engine.certificate_of(&subject.secret, subject.admin(), &sealed, &material)?;
        let attempt = running.fold.attempts + 1;
        let events = vec![Recorded::Sealed { version: sealed.id.clone(), identity }, Recorded::Applying { attempt }];
        let after = super::journal::follow(running.fold.clone(), &events)?;
        let (engine, claim, of) = (Arc::clone(&self.engine), self.claim.clone(), self.journal_of(&running.id));
        let (id, fold, started_at, count) = (sealed.id.clone(), after.clone(), running.started_at, events.len());
        let mut seq = running.seq;
        let seq = self
            .engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let mut written = vec![version::insert(tx, engine.keyring(), &sealed).await?];
                    if let Some(certificate) = &certificate {
                        written.extend(certificate::insert_of_version(tx, engine.keyring(), certificate).await?);
                    }
                    for event in &events {
                        let rows = std::mem::take(&mut written);
                        seq = Some(engine.append_recorded(tx, &of, event, rows, seq).await?);
                    }
                    engine.list_rotation(tx, &of, &fold, started_at).await?;
                    Ok::<_, StoreError>(seq)
                })
            })
            .await?;
        let running = Running { fold: after, ..running.clone() }.numbered(seq, count);
        self.apply_now(subject, &running, &call, &id, attempt).await
    }

    /// The candidate's value: made by the rotator, or a kept one that comes back.
    async fn candidate(
        &self,
        subject: &Subject,
        running: &Running,
        call: &Call,
    ) -> Result<(Material, String), Failure> {
        if let Some(from) = &running.fold.planned.candidate_from {
            let mut tx = self.engine.store.read().await.map_err(|error| Failure::from(&Trouble::from(error)))?;
            let kept = version::find(&mut tx, self.engine.keyring(), &subject.secret.tenant, from).await;
            let kept = kept.map_err(|error| Failure::from(&Trouble::from(error)))?;
            if let Some(kept) = kept.filter(|kept| kept.token.is_some() && running.fold.candidates.is_empty()) {
                let material = self.engine.open(&kept).map_err(|trouble| Failure::from(&trouble))?;
                return Ok((material, kept.identity));
            }
        }
        match call.prepare().await? {
            Prepared::Minted { material, identity } => Ok((material, identity)),
            Prepared::IssuedByTarget => Ok((Material::new(serde_json::Map::new()), String::new())),
        }
    }

    /// Nothing was touched; the rotation ends and its occurrences are tried again or fail.
    async fn cannot_prepare(&self, running: &Running, failure: &Failure) -> Result<Then, RunError> {
        self.stop_if_lost(failure)?;
        if running.fold.candidates.is_empty() {
            return self.end_unwound(running, Because::from(failure)).await;
        }
        let turned = Recorded::TurnedBack { because: Because::from(failure) };
        self.record(running, vec![turned]).await?;
        Ok(Then::LookAgain)
    }
}

impl Engine {
    /// Seals a candidate's value. The row is not yet written.
    fn seal_version(
        &self,
        subject: &Subject,
        running: &Running,
        material: &Material,
        identity: String,
    ) -> Result<Version, Trouble> {
        let now = self.now();
        let mut sealed = Version {
            id: self.mint(VersionId::mint),
            tenant: subject.secret.tenant.clone(),
            secret: subject.secret.id.clone(),
            number: None,
            stage: Stage::Candidate,
            identity,
            key: keywheel_contract::KeyId::mint(now, [0; 10]),
            token: None,
            fingerprint: String::new(),
            rotation: Some(running.id.clone()),
            created_at: now,
            created_by: crate::model::Actor::daemon(),
            published_at: None,
            retire_at: None,
            retired_at: None,
            deleted_at: None,
            deactivated_at: None,
            destroyed_at: None,
            revision: 1,
        };
        self.seal_into(&mut sealed, material)?;
        Ok(sealed)
    }

    /// Seals a value into a version's row: token, key and fingerprint.
    pub fn seal_into(&self, version: &mut Version, material: &Material) -> Result<(), Trouble> {
        let plain = material.to_json();
        let sealed = self.keyring().seal(&super::core::version_place(version), &plain, self.now())?;
        version.fingerprint = self.keyring().fingerprint(&version.tenant, version.secret.as_str(), &plain)?;
        version.key = sealed.key_id;
        version.token = Some(sealed.token);
        Ok(())
    }
}
