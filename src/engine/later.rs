//! Later work of a secret: retirement of the version before, the daily probe, the end of a deleted secret.
//!
//! It runs forward only and is repeated on its own; each write is one transaction, and doing any of it twice after a
//! crash leaves what doing it once leaves.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use keywheel_contract::{Decision, Failure, RotationId, Seen, Work, verdict_of};

use super::{
    Engine,
    alerts::{Wrong, kind},
    call::{Call, Right},
    load::Subject,
    ops::pki::{
        CERTIFICATE,
        crl::{self, RevokeCertificate},
    },
    runner::{RunError, Runner, Then},
};
use crate::{
    model::{Actor, EventId, Occurrence, OccurrenceId, OccurrenceOrigin, Secret, Stage, Version, VersionId},
    store::{NewEvent, StoreError, Tx, Written, agenda, event, occurrence, proof, rotation, schedule, secret, version},
};

/// How long a retirement that a person must make possible waits for its next try.
const RETIRE_AGAIN: TimeDelta = TimeDelta::minutes(1);
/// How long a retirement that met passing trouble waits: until then nobody may know the role's password.
const RETIRE_SOON: TimeDelta = TimeDelta::seconds(5);
/// For how many second looks after its end a rotation that changed hands is mended when its value is refused.
const MENDED_WITHIN: i32 = 12;
/// How long a probe that met silence waits for its next try.
const PROBE_AGAIN: TimeDelta = TimeDelta::hours(1);

impl Runner {
    /// A call for later work, under the id of the rotation that made the version.
    async fn later_call(&self, subject: &Subject, version: &Version) -> Result<Option<Call>, RunError> {
        let Some(target) = &subject.target else { return Ok(None) };
        let rotation = version.rotation.clone().unwrap_or_else(|| self.engine.mint(RotationId::mint));
        let work = Work {
            rotation,
            secret: subject.secret.name.to_string(),
            settings: subject.secret.settings.clone(),
            current: subject.current().map(|current| self.engine.open(current)).transpose()?,
            next_due_at: None,
        };
        Ok(Some(Call {
            rotator: self.engine.rotators.find(&target.rotator)?,
            target: self.resolve(subject).await?,
            engine: Arc::clone(&self.engine),
            work,
            right: Right::Claim { subject: self.claim.subject.clone(), fence: self.claim.fence },
        }))
    }

    /// Makes the target refuse a version that was current.
    pub(super) async fn retire_version(&self, subject: &Subject, id: &VersionId) -> Result<Then, RunError> {
        let Some(old) = subject.live.iter().find(|version| version.id == *id) else { return Ok(Then::LookAgain) };
        let Some(current) = subject.current() else { return Ok(Then::LookAgain) };
        let Some(call) = self.later_call(subject, current).await? else { return Ok(Then::LookAgain) };
        let Some(live) = proof::find_published(&self.engine.store, &self.claim.tenant, &current.id).await? else {
            return Ok(Then::LookAgain);
        };
        let retired = match &old.token {
            Some(_) => call.retire_old(self.engine.open(old)?, &live).await,
            None => Ok(()),
        };
        if retired.is_ok() {
            self.revoke_superseded(subject, old).await?;
        }
        let mut version = old.clone();
        let (kind_of_event, wrong) = match retired {
            Ok(()) => {
                version.stage = Stage::Retired;
                version.retired_at = Some(self.engine.now());
                (Some("version.retired"), None)
            }
            Err(failure) => {
                self.stop_if_lost(&failure)?;
                version.retire_at = Some(self.engine.now() + retired_again(&failure));
                let sentence = format!("version {} cannot be retired: {failure}", old.number.unwrap_or(0));
                (None, Some(Wrong::of_secret(&subject.secret.id, kind::RETIREMENT, sentence, failure.hint)))
            }
        };
        let facts = serde_json::json!({ "v": 1, "version": version.id, "number": version.number });
        let event = kind_of_event.map(|kind| self.event_of(&subject.secret, kind, facts));
        let (engine, claim, known) = (Arc::clone(&self.engine), self.claim.clone(), subject.seq);
        let seq = self
            .engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let written = vec![version::update(tx, engine.keyring(), &mut version).await?];
                    if let Some(wrong) = wrong {
                        engine.open_alert(tx, &claim.tenant, &wrong).await?;
                    }
                    let Some(event) = event else {
                        event::note_without_event(tx, &written).await?;
                        return Ok(None);
                    };
                    engine.close_alerts(tx, &claim.tenant, &claim.subject, &[kind::RETIREMENT]).await?;
                    let event = NewEvent { written, ..event };
                    event::append_after(tx, engine.keyring(), event, Some(known)).await.map(Some)
                })
            })
            .await?;
        let Some(seq) = seq.filter(|seq| *seq == known + 1) else { return Ok(Then::Rest) };
        let mut after = Subject { seq, ..subject.clone() };
        after.live.retain(|version| version.id != *id);
        Ok(Then::GoOn(Box::new(after)))
    }

    /// Revokes the certificate of a version that was retired, where its secret asks for that and its authority is ours.
    /// Done again after a crash, it finds it revoked.
    async fn revoke_superseded(&self, subject: &Subject, old: &Version) -> Result<(), RunError> {
        let is_asked = subject.secret.settings.get("revoke_old").and_then(serde_json::Value::as_bool) == Some(true);
        let is_public = subject.target.as_ref().is_some_and(|target| target.settings.get("acme").is_some());
        if subject.secret.kind != CERTIFICATE || !is_asked || is_public {
            return Ok(());
        }
        let request = RevokeCertificate { because: "superseded".to_owned(), reason: "retired".to_owned() };
        match crl::revoke(&self.engine, &Actor::daemon(), &old.identity, request).await {
            Ok(_) => Ok(()),
            Err(trouble) if ["already-revoked", "not-ours", "not-found"].contains(&&*trouble.code) => Ok(()),
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// Tries the current value. A refusal is told, not overwritten.
    pub(super) async fn probe_for_drift(&self, subject: &Subject) -> Result<Then, RunError> {
        let Some(current) = subject.current() else { return Ok(Then::LookAgain) };
        let changed_hands = self.changed_hands(subject).await?;
        let mut secret = subject.secret.clone();
        if self.engine.options.probe_every.is_none() && !changed_hands {
            return self.put_probe_off(secret).await;
        }
        let Some(call) = self.later_call(subject, current).await? else { return Ok(Then::LookAgain) };
        let seen = match call.probe(self.engine.open(current)?).await {
            Ok(observations) => verdict_of(&observations),
            Err(failure) => Seen::Unreachable { because: failure.sentence },
        };
        let wanted = self.wanted_at(subject, &call, current).await?;
        let is_silent = matches!(seen, Seen::Unreachable { .. });
        secret.probe_at = match (is_silent, changed_hands) {
            (true, true) => Some(self.engine.now() + self.engine.second_look()),
            (true, false) => Some(self.engine.now() + PROBE_AGAIN),
            (false, _) => self.engine.next_probe(),
        };
        let refusal = match &seen {
            Seen::Refused { refusal } => Some(format!("{refusal:?}")),
            Seen::Works | Seen::Unreachable { .. } => None,
        };
        let event = refusal.as_ref().map(|refusal| {
            let facts = serde_json::json!({ "v": 1, "version": current.id, "refusal": refusal });
            self.event_of(&subject.secret, "secret.drifted", facts)
        });
        let mend = (event.is_some() && changed_hands).then(|| self.mending(&subject.secret));
        let name = subject.secret.name.clone();
        let (engine, claim) = (Arc::clone(&self.engine), self.claim.clone());
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let mut written = vec![secret::update(tx, engine.keyring(), &mut secret).await?];
                    written.extend(engine.pull_plan(tx, &secret, wanted).await?);
                    let Some(event) = event else {
                        event::note_without_event(tx, &written).await?;
                        if !is_silent {
                            engine.close_alerts(tx, &claim.tenant, &claim.subject, &[kind::DRIFTED]).await?;
                        }
                        return Ok(());
                    };
                    let sentence = "the target refuses the value that keywheel serves".to_owned();
                    let hint = format!("somebody changed it there: `keywheel rotate {name}` sets a new one");
                    let wrong = Wrong::of_secret(&secret.id, kind::DRIFTED, sentence, hint);
                    engine.open_alert(tx, &claim.tenant, &wrong).await?;
                    if let Some(mend) = mend {
                        occurrence::insert(tx, &mend).await?;
                    }
                    event::append(tx, engine.keyring(), NewEvent { written, ..event }).await?;
                    Ok::<_, StoreError>(())
                })
            })
            .await?;
        Ok(Then::LookAgain)
    }

    /// When the issuer wants the value replaced, where that is asked for by a schedule at all.
    async fn wanted_at(
        &self,
        subject: &Subject,
        call: &Call,
        current: &Version,
    ) -> Result<Option<DateTime<Utc>>, RunError> {
        if subject.schedule.as_ref().is_none_or(|schedule| schedule.paused_at.is_some()) {
            return Ok(None);
        }
        let asked = call.due_at(self.engine.open(current)?).await;
        Ok(asked.unwrap_or_else(|failure| {
            tracing::debug!(secret = %subject.secret.name, code = failure.code, "no renewal information: {failure}");
            None
        }))
    }

    /// Whether the newest rotation was taken over, and only just ended: then a refusal is most likely the late act of
    /// its earlier holder, which is mended and not only told.
    async fn changed_hands(&self, subject: &Subject) -> Result<bool, RunError> {
        let mut tx = self.engine.store.read().await?;
        let newest = rotation::list(&mut tx, &subject.secret.tenant, Some(&self.secret), None, 1).await?;
        let Some((id, ended_at)) = newest.first().and_then(|newest| Some((&newest.id, newest.ended_at?))) else {
            return Ok(false);
        };
        if self.engine.now() - ended_at > self.engine.second_look() * MENDED_WITHIN {
            return Ok(false);
        }
        let journal = event::list_journal(&mut tx, self.engine.keyring(), &subject.secret.tenant, id).await?;
        Ok(journal.iter().any(|event| event.kind == "rotation.taken_over"))
    }

    /// Forgets a probe that was due when probes were switched off.
    async fn put_probe_off(&self, mut secret: Secret) -> Result<Then, RunError> {
        secret.probe_at = None;
        let (engine, claim) = (Arc::clone(&self.engine), self.claim.clone());
        let put_off = self.engine.write(move |tx| {
            Box::pin(async move {
                agenda::hold(tx, &claim.subject, claim.fence).await?;
                let written = secret::update(tx, engine.keyring(), &mut secret).await?;
                event::note_without_event(tx, &[written]).await
            })
        });
        put_off.await.map_err(|error: StoreError| error)?;
        Ok(Then::LookAgain)
    }

    /// A rotation of keywheel's own accord.
    fn mending(&self, secret: &Secret) -> Occurrence {
        let now = self.engine.now();
        Occurrence {
            id: self.engine.mint(OccurrenceId::mint),
            tenant: secret.tenant.clone(),
            secret: secret.id.clone(),
            origin: OccurrenceOrigin::Requested,
            end: None,
            first_at: now,
            last_at: now,
            fires: 1,
            attempts: 0,
            not_before: None,
            actor: Actor::daemon(),
            reason: "a late change of an earlier holder was found at the target".to_owned(),
            rotation: None,
            candidate_from: None,
            why: String::new(),
            created_at: now,
            ended_at: None,
        }
    }

    /// Forgets a deleted secret; its events stay.
    pub(super) async fn purge(&self, subject: &Subject) -> Result<Then, RunError> {
        let facts = serde_json::json!({ "v": 1, "name": subject.secret.name });
        let event = self.event_of(&subject.secret, "secret.purged", facts);
        let (engine, claim, id) = (Arc::clone(&self.engine), self.claim.clone(), subject.secret.id.clone());
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    event::append(tx, engine.keyring(), event).await?;
                    secret::delete(tx, &claim.tenant, &id).await
                })
            })
            .await?;
        Ok(Then::LookAgain)
    }

    /// An event of the daemon about a secret.
    pub(super) fn event_of(&self, secret: &Secret, kind: &str, facts: serde_json::Value) -> NewEvent {
        NewEvent {
            id: self.engine.mint(EventId::mint),
            tenant: secret.tenant.clone(),
            subject: secret.id.as_str().to_owned(),
            rotation: None,
            kind: kind.to_owned(),
            facts,
            written: Vec::new(),
            actor: Actor::daemon(),
            reason: String::new(),
            at: self.engine.now(),
        }
    }
}

/// How long a retirement that failed waits for its next try.
fn retired_again(failure: &Failure) -> TimeDelta {
    match failure.decision {
        Decision::Transient { .. } | Decision::Unknown => RETIRE_SOON,
        Decision::Refused | Decision::Misconfigured { .. } => RETIRE_AGAIN,
    }
}

impl Engine {
    /// Pulls a plan forward to an earlier moment; never back.
    async fn pull_plan(
        &self,
        tx: &mut Tx,
        secret: &Secret,
        wanted: Option<DateTime<Utc>>,
    ) -> Result<Option<Written>, StoreError> {
        let Some(wanted) = wanted else { return Ok(None) };
        let found = schedule::find(tx, self.keyring(), &secret.tenant, &secret.id).await?;
        let Some(mut row) = found.filter(|row| row.next_due_at.is_none_or(|planned| wanted < planned)) else {
            return Ok(None);
        };
        row.next_due_at = Some(wanted);
        schedule::put(tx, self.keyring(), &mut row).await.map(Some)
    }

    /// How soon the value is probed again after a rotation that changed hands: later than its earlier holder can act,
    /// whose claim must have ended, and with it the last call that was begun under it.
    pub(super) fn second_look(&self) -> TimeDelta {
        let span = self.options.claim + self.options.step_deadline;
        TimeDelta::from_std(span).unwrap_or(TimeDelta::days(1))
    }

    /// When the current value is probed next. Spread over the upper half, so that what was adopted together is not
    /// probed together for ever.
    fn next_probe(&self) -> Option<DateTime<Utc>> {
        let every = self.options.probe_every?;
        let part = every.mul_f64(0.5 + f64::from(self.draw()) / f64::from(u32::MAX) / 2.0);
        Some(self.now() + TimeDelta::from_std(part).unwrap_or(TimeDelta::days(1)))
    }
}
