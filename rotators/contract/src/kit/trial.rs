//! One rotation of one fresh account, as a check drives it. Everything that the rotator says is kept, for the check
//! that looks for secret values in it.

#![expect(clippy::disallowed_methods, reason = "the kit waits for real servers, in running time")]

use std::{
    fmt::Debug,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep, timeout};

use super::{Rig, Stage, Violation};
use crate::{
    Applied, Cx, Declaration, Failure, Material, NotKept, Observation, Preflight, Prepared, Probing, Redactor,
    RotationId, Rotator, Seen, Settled, Verdict, Work, verdict_of,
};

/// The longest pause between two looks, whatever the rotator suggests.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A credential that a check asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Current,
    Candidate,
}

/// What a target accepts, found without the rotator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) current: bool,
    pub(super) candidate: bool,
    pub(super) count: Option<usize>,
}

pub(super) struct Trial<'r> {
    pub(super) rig: &'r dyn Rig,
    pub(super) stage: Stage,
    pub(super) work: Work,
    pub(super) candidate: Material,
    pub(super) declared: Declaration,
    said: Mutex<Vec<(&'static str, String)>>,
}

impl<'r> Trial<'r> {
    /// Starts a rotation of a fresh account, with its candidate prepared.
    pub(super) async fn start(rig: &'r dyn Rig) -> Result<Self, Violation> {
        let mut trial = Self::start_unprepared(rig).await?;
        trial.candidate = trial.prepare().await?;
        Ok(trial)
    }

    /// Starts a rotation of a fresh account, of which nothing but its settings was shown to the rotator.
    pub(super) async fn start_unprepared(rig: &'r dyn Rig) -> Result<Self, Violation> {
        let stage = rig.fresh().await?;
        let mut bits = [0; 10];
        rig.random().fill(&mut bits);
        let declared = rig.rotator().declare(&stage.target.settings, &stage.settings);
        let declared = declared.map_err(|failure| Violation::of_rotator(format!("`declare` failed: {failure}")))?;
        let work = Work {
            rotation: RotationId::mint(DateTime::UNIX_EPOCH, bits),
            secret: "kit/secret".to_owned(),
            settings: stage.settings.clone(),
            current: Some(stage.current.clone()),
            next_due_at: None,
        };
        let candidate = Material::of_texts([]);
        let trial = Self { rig, stage, work, candidate, declared, said: Mutex::default() };
        trial.note("declare", &trial.declared);
        if trial.logs_in(Which::Current).await? {
            return Ok(trial);
        }
        Err(Violation::of_rig("the current credential of a fresh account is refused"))
    }

    pub(super) fn rotator(&self) -> &'r dyn Rotator {
        self.rig.rotator()
    }

    pub(super) fn cx(&self) -> Cx<'r> {
        Cx { random: self.rig.random(), deadline: self.rig.deadline(), now: Utc::now(), checkpoint: &NotKept }
    }

    pub(super) fn note(&self, operation: &'static str, said: &dyn Debug) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push((operation, format!("{said:?}")));
    }

    fn note_failure(&self, operation: &'static str, failure: &Failure) {
        self.note(operation, failure);
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push((operation, failure.to_string()));
    }

    /// Everything that the rotator said, with the operation that said it.
    pub(super) fn said(&self) -> Vec<(&'static str, String)> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A violation that names a failure, without secret values.
    pub(super) fn failed(&self, operation: &str, failure: &Failure) -> Violation {
        let admins = self.stage.target.admins.iter();
        let values: Vec<&Material> = admins.chain([&self.stage.current, &self.candidate]).collect();
        let sentence = Redactor::of(values, self.rig.public_fields()).redact(&failure.sentence);
        Violation::of_rotator(format!("`{operation}` failed ({:?}): {sentence}", failure.decision))
    }

    fn judged<T>(&self, operation: &'static str, result: Result<T, Failure>) -> Result<T, Violation> {
        result.map_err(|failure| {
            self.note_failure(operation, &failure);
            self.failed(operation, &failure)
        })
    }

    pub(super) async fn prepare(&self) -> Result<Material, Violation> {
        let result = self.rotator().prepare(&self.cx(), &self.stage.target, &self.work).await;
        let prepared = self.judged("prepare", result)?;
        self.note("prepare", &prepared);
        Ok(match prepared {
            Prepared::Minted { material, .. } => material,
            Prepared::IssuedByTarget => Material::of_texts([]),
        })
    }

    pub(super) async fn preflight(&self) -> Result<Preflight, Failure> {
        let result = self.rotator().preflight(&self.cx(), &self.stage.target, &self.work).await;
        match &result {
            Ok(found) => self.note("preflight", found),
            Err(failure) => self.note_failure("preflight", failure),
        }
        result
    }

    /// Applies, and takes what the target issued as the candidate.
    pub(super) async fn apply(&mut self) -> Result<(), Failure> {
        let applied = self.rotator().apply(&self.cx(), &self.stage.target, &self.work, &self.candidate).await;
        let applied = applied.inspect_err(|failure| self.note_failure("apply", failure))?;
        self.note("apply", &applied);
        if let Some((material, _)) = applied.issued {
            self.candidate = material;
        }
        Ok(())
    }

    pub(super) async fn must_apply(&mut self) -> Result<(), Violation> {
        let result = self.apply().await;
        result.map_err(|failure| self.failed("apply", &failure))
    }

    pub(super) async fn must_revert(&self) -> Result<(), Violation> {
        let result = self.rotator().revert(&self.cx(), &self.stage.target, &self.work, &self.candidate).await;
        self.judged("revert", result)
    }

    pub(super) async fn must_retire(&self) -> Result<(), Violation> {
        let (old, live) = (&self.stage.current, &self.candidate);
        let result = self.rotator().retire(&self.cx(), &self.stage.target, &self.work, old, live).await;
        self.judged("retire", result)
    }

    pub(super) async fn verify_now(&self) -> Result<Verdict, Violation> {
        let result = self.rotator().verify(&self.cx(), &self.stage.target, &self.work, &self.candidate).await;
        let verdict = self.judged("verify", result)?;
        self.note("verify", &verdict);
        Ok(verdict)
    }

    /// Polls as the engine does, until the candidate works or the rig's patience ends.
    pub(super) async fn must_verify(&self) -> Result<(), Violation> {
        let started = Instant::now();
        loop {
            match self.verify_now().await? {
                Verdict::Works { .. } => return Ok(()),
                Verdict::NotYet { because, .. } if started.elapsed() > self.rig.patience() => {
                    return Err(Violation::of_rotator(format!("`verify` still answers `NotYet` ({because})")));
                }
                Verdict::NotYet { look_again_in, .. } => sleep(look_again_in.min(LONGEST_PAUSE)).await,
            }
        }
    }

    /// Whether no earlier attempt can act any more; polls until the rig's patience ends.
    pub(super) async fn settles(&self) -> Result<bool, Violation> {
        let started = Instant::now();
        loop {
            let result = self.rotator().settle(&self.cx(), &self.stage.target, &self.work).await;
            let settled = self.judged("settle", result)?;
            self.note("settle", &settled);
            match settled {
                Settled::Yes => return Ok(true),
                Settled::NotYet { .. } if started.elapsed() > self.rig.patience() => return Ok(false),
                Settled::NotYet { look_again_in, .. } => sleep(look_again_in.min(LONGEST_PAUSE)).await,
            }
        }
    }

    pub(super) async fn must_settle(&self) -> Result<(), Violation> {
        if self.settles().await? {
            return Ok(());
        }
        Err(Violation::of_rotator("`settle` still answers `NotYet` when nothing is in its way"))
    }

    pub(super) fn credential(&self, which: Which) -> &Material {
        match which {
            Which::Current => &self.stage.current,
            Which::Candidate => &self.candidate,
        }
    }

    pub(super) async fn probe(&self, credential: &Material) -> Result<Seen, Violation> {
        let result = self.rotator().probe(&self.cx(), &self.stage.target, &self.work, credential).await;
        let seen = self.judged("probe", result)?;
        self.note("probe", &seen);
        Ok(verdict_of(&seen))
    }

    /// Whether the declaration allows a probe with this credential, and there is one.
    pub(super) fn may_probe(&self, which: Which) -> bool {
        let allowed = match self.declared.probing {
            Probing::Any => true,
            Probing::CandidateOnly => which == Which::Candidate,
            Probing::Never => false,
        };
        allowed && !self.credential(which).expose().is_empty()
    }

    /// Asks the target itself. A candidate that is not issued yet is refused by nature.
    pub(super) async fn logs_in(&self, which: Which) -> Result<bool, Violation> {
        let credential = self.credential(which);
        Ok(!credential.expose().is_empty() && self.rig.logs_in(&self.stage, credential).await?)
    }

    pub(super) async fn snapshot(&self) -> Result<Snapshot, Violation> {
        let (current, candidate) = (self.logs_in(Which::Current).await?, self.logs_in(Which::Candidate).await?);
        Ok(Snapshot { current, candidate, count: self.rig.count(&self.stage).await? })
    }

    /// Compares `probe` with what the target itself says, for each credential that may be probed.
    pub(super) async fn expect_truth(&self, when: &str) -> Result<(), Violation> {
        for which in [Which::Candidate, Which::Current] {
            if !self.may_probe(which) {
                continue;
            }
            let works = self.logs_in(which).await?;
            let seen = self.probe(self.credential(which)).await?;
            if (works && seen != Seen::Works) || (!works && !matches!(seen, Seen::Refused { .. })) {
                let truth = if works { "accepted" } else { "refused" };
                let found = format!("{when}: the {which:?} credential is {truth}, and `probe` says {seen:?}");
                return Err(Violation::of_rotator(found));
            }
        }
        Ok(())
    }

    pub(super) async fn expect(&self, which: Which, works: bool, when: &str) -> Result<(), Violation> {
        if self.logs_in(which).await? == works {
            return Ok(());
        }
        let found = if works { "is refused" } else { "is accepted" };
        Err(Violation::of_rotator(format!("{when}: the {which:?} credential {found}")))
    }

    /// As before the rotation: the current credential works and the candidate does not.
    pub(super) async fn expect_unchanged(&self, when: &str) -> Result<(), Violation> {
        self.expect(Which::Current, true, when).await?;
        self.expect(Which::Candidate, false, when).await
    }

    /// Applies as the engine does: what has no answer at the deadline is abandoned.
    pub(super) async fn apply_or_abandon(&self) -> Option<Result<Applied, Failure>> {
        let cx = self.cx();
        let apply = self.rotator().apply(&cx, &self.stage.target, &self.work, &self.candidate);
        timeout(self.rig.deadline(), apply).await.ok()
    }

    pub(super) async fn probe_or_abandon(&self, credential: &Material) -> Option<Result<Vec<Observation>, Failure>> {
        let cx = self.cx();
        let probe = self.rotator().probe(&cx, &self.stage.target, &self.work, credential);
        timeout(self.rig.deadline(), probe).await.ok()
    }

    /// Fails if the rig's last disturbance did not happen: then the check would have proven nothing.
    pub(super) async fn expect_disturbed(&self, before: u64) -> Result<(), Violation> {
        if self.rig.disturbed(&self.stage).await? > before {
            return Ok(());
        }
        Err(Violation::of_rig("the disturbance that the rig arranged did not happen"))
    }
}
