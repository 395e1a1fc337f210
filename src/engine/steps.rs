//! The steps of a rotation that runs: each does one thing and records what it learned.

use std::time::Duration;

use keywheel_contract::{Decision, Failure, Material, Seen, Settled, Verdict as Verified, verdict_of};

use super::{
    alerts::Wrong,
    call::{CLAIM_LOST, Call, Progress},
    load::{Running, Subject},
    runner::{RunError, Runner, Then},
};
use crate::{
    clock::micros,
    model::{Version, VersionId},
    rotation::{Backoff, Because, Evidence, FailureClass, LOOK_AGAIN, Next, Recorded, Verdict, decide},
    store::{
        StoreError,
        proof::{self, Sealed},
        version,
    },
};

/// How long a rotation that is not settled yet stays at work: sessions that were ended are gone in a moment.
const SETTLES_WITHIN: Duration = Duration::from_secs(3);

/// How long it waits at most between two looks meanwhile.
const SETTLE_AGAIN: Duration = Duration::from_millis(100);

impl Runner {
    /// Does the next step.
    pub(super) async fn step(&self, subject: &Subject, next: Next) -> Result<Then, RunError> {
        let Some(running) = &subject.running else { return Ok(Then::LookAgain) };
        match next {
            Next::TakeOver => {
                let taken = Recorded::TakenOver { fence: self.claim.fence };
                self.record(running, vec![taken]).await?;
                Ok(Then::LookAgain)
            }
            Next::Prepare => self.prepare(subject, running).await,
            Next::Apply { attempt } => self.attempt(subject, running, attempt).await,
            Next::Settle => self.settle(subject, running).await,
            Next::Probe => self.probe(subject, running).await,
            Next::Verify => self.verify(subject, running).await,
            Next::Publish => self.publish(subject, running, None).await,
            Next::TurnBack { because } => {
                self.record(running, vec![Recorded::TurnedBack { because }]).await?;
                Ok(Then::LookAgain)
            }
            Next::Revert { attempt } => self.revert(subject, running, attempt).await,
            Next::EndUnwound { because } => self.end_unwound(running, because).await,
            Next::Wait { .. } | Next::Nothing => Ok(Then::LookAgain),
        }
    }

    async fn attempt(&self, subject: &Subject, running: &Running, attempt: u32) -> Result<Then, RunError> {
        let Some(candidate) = running.fold.candidate().cloned() else { return Ok(Then::LookAgain) };
        let call = self.call(subject, running).await?;
        let running = self.record(running, vec![Recorded::Applying { attempt }]).await?;
        self.apply_now(subject, &running, &call, &candidate.version, attempt).await
    }

    /// Changes the target, with the value that is read back from the store.
    pub(super) async fn apply_now(
        &self,
        subject: &Subject,
        running: &Running,
        call: &Call,
        candidate: &VersionId,
        attempt: u32,
    ) -> Result<Then, RunError> {
        let sealed = proof::find_sealed(&self.engine.store, &self.claim.tenant, candidate).await?;
        let progress = Progress::of(&self.engine, &self.claim, subject, candidate);
        let applied = match &sealed {
            Some(sealed) => call.apply_sealed(sealed, &progress).await,
            None => Err(Failure::transient("not-sealed", "the candidate is not in the store", "restore the store")),
        };
        let recorded = match applied {
            Ok(_) => {
                self.engine.target_answered(&call.target.id).await;
                Recorded::Applied { attempt }
            }
            Err(failure) => {
                self.stop_if_lost(&failure)?;
                self.engine.target_failed(&call.target.id, &failure).await;
                let not_before = self.not_before(attempt, &failure);
                let class = FailureClass::from(&failure.decision);
                Recorded::ApplyFailed { attempt, class, because: Because::from(&failure), not_before }
            }
        };
        let went_well = matches!(recorded, Recorded::Applied { .. });
        let running = self.record(running, vec![recorded]).await?;
        let is_known = went_well && !progress.has_kept();
        let Some(seq) = running.seq.filter(|_| is_known) else { return Ok(Then::LookAgain) };
        let resolved = Some(call.target.clone());
        let mut subject = Subject { running: Some(running), seq, resolved, ..subject.clone() };
        subject.live.extend(sealed.map(Sealed::into_version).filter(|_| subject.find_live(candidate).is_none()));
        Ok(Then::GoOn(Box::new(subject)))
    }

    /// Ends the work where the claim ended before a call: its next holder goes on, be it this process again.
    pub(super) fn stop_if_lost(&self, failure: &Failure) -> Result<(), RunError> {
        if failure.code != CLAIM_LOST {
            return Ok(());
        }
        Err(StoreError::FenceLost { subject: self.claim.subject.clone() }.into())
    }

    fn not_before(&self, attempt: u32, failure: &Failure) -> i64 {
        let asked = match &failure.decision {
            Decision::Transient { not_before } => not_before.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let wait = Backoff::ATTEMPTS.after(attempt, self.engine.draw()).max(asked);
        micros(self.engine.now() + wait)
    }

    async fn settle(&self, subject: &Subject, running: &Running) -> Result<Then, RunError> {
        let call = self.call(subject, running).await?;
        let patient_until = self.engine.clock.boot() + SETTLES_WITHIN;
        loop {
            match call.settle().await {
                Ok(Settled::Yes) => {
                    self.record(running, vec![Recorded::Settled]).await?;
                    return Ok(Then::LookAgain);
                }
                // Kept at work: behind all that is due, what is served might be wrong for as long.
                Ok(Settled::NotYet { look_again_in, .. })
                    if self.engine.clock.boot() < patient_until && !self.engine.is_stopping() =>
                {
                    self.engine.clock.sleep(look_again_in.min(SETTLE_AGAIN)).await;
                }
                Ok(Settled::NotYet { look_again_in, because }) => {
                    tracing::info!(rotation = %running.id, "not settled: {because}");
                    return Ok(Then::Pause(look_again_in.min(LOOK_AGAIN)));
                }
                Err(failure) => return self.undecided(subject, running, &failure).await,
            }
        }
    }

    async fn probe(&self, subject: &Subject, running: &Running) -> Result<Then, RunError> {
        let Some(candidate) = self.candidate_version(subject, running).await? else { return Ok(Then::LookAgain) };
        let call = self.call(subject, running).await?;
        let seen = self.see(&call, self.engine.open(&candidate)?).await?;
        let current = match call.work.current.clone() {
            Some(current) => Some(self.see(&call, current).await?),
            None => None,
        };
        let evidence = Evidence { candidate: seen, current };
        let verdict = decide(&evidence);
        if verdict == Verdict::Wait {
            let silence = [Some(&evidence.candidate), evidence.current.as_ref()];
            let because = silence.into_iter().flatten().find_map(|seen| match seen {
                Seen::Unreachable { because } => Some(because.clone()),
                _ => None,
            });
            let sentence = because.unwrap_or_else(|| "the target did not say".to_owned());
            let failure =
                Failure::unknown("target-silent", sentence, "bring the target back; keywheel looks again by itself");
            return self.undecided(subject, running, &failure).await;
        }
        self.engine.target_answered(&call.target.id).await;
        let older = if verdict == Verdict::Lost { self.find_older_live(&call, running).await? } else { None };
        let probed = Recorded::Probed { candidate: evidence.candidate, current: evidence.current, older };
        self.record(running, vec![probed]).await?;
        Ok(Then::LookAgain)
    }

    /// Tries one credential; a call that fails says nothing about it, and one that was not made nothing of the target.
    async fn see(&self, call: &Call, credential: Material) -> Result<Seen, RunError> {
        match call.probe(credential).await {
            Ok(observations) => Ok(verdict_of(&observations)),
            Err(failure) => {
                self.stop_if_lost(&failure)?;
                Ok(Seen::Unreachable { because: failure.sentence })
            }
        }
    }

    async fn candidate_version(&self, subject: &Subject, running: &Running) -> Result<Option<Version>, RunError> {
        let Some(candidate) = running.fold.candidate() else { return Ok(None) };
        if let Some(known) = subject.find_live(&candidate.version) {
            return Ok(Some(known.clone()));
        }
        let mut tx = self.engine.store.read().await?;
        Ok(version::find(&mut tx, self.engine.keyring(), &self.claim.tenant, &candidate.version).await?)
    }

    /// Tries the older kept versions, newest first, when the target accepts neither candidate nor current.
    async fn find_older_live(&self, call: &Call, running: &Running) -> Result<Option<VersionId>, RunError> {
        let mut tx = self.engine.store.read().await?;
        let kept = version::list(&mut tx, self.engine.keyring(), &self.claim.tenant, &self.secret).await?;
        drop(tx);
        let tried = [running.fold.candidate().map(|c| &c.version), running.fold.planned.current.as_ref()];
        for older in kept.iter().rev().filter(|kept| kept.token.is_some() && !tried.contains(&Some(&kept.id))).take(20)
        {
            if self.see(call, self.engine.open(older)?).await? == Seen::Works {
                return Ok(Some(older.id.clone()));
            }
        }
        Ok(None)
    }

    /// Nothing can be decided: say so, and look again.
    pub(super) async fn undecided(
        &self,
        subject: &Subject,
        running: &Running,
        failure: &Failure,
    ) -> Result<Then, RunError> {
        self.stop_if_lost(failure)?;
        tracing::warn!(secret = %subject.secret.name, rotation = %running.id, code = failure.code, "{failure}");
        if let Some(target) = &subject.target {
            self.engine.target_failed(&target.id, failure).await;
        }
        let since = self.engine.now() - running.moved_at;
        if since > chrono::TimeDelta::seconds(15) {
            self.alert(Wrong::undecided(subject, failure)).await?;
        }
        Ok(Then::Pause(LOOK_AGAIN))
    }

    async fn verify(&self, subject: &Subject, running: &Running) -> Result<Then, RunError> {
        let Some(candidate) = self.candidate_version(subject, running).await? else { return Ok(Then::LookAgain) };
        let call = self.call(subject, running).await?;
        let material = self.engine.open(&candidate)?;
        let give_up_at = self.engine.clock.boot() + self.engine.options.verify_for;
        let because = loop {
            let (wait, because) = match call.verify(material.clone()).await {
                Ok(Verified::Works { endpoints }) => {
                    let verified = Recorded::Verified { endpoints };
                    return self.publish(subject, running, Some(verified)).await;
                }
                Ok(Verified::NotYet { look_again_in, because }) => {
                    let hint = "look at the endpoints that do not accept it";
                    (look_again_in, Because::new("verification-failed", because, hint))
                }
                Err(failure) if matches!(failure.decision, Decision::Refused | Decision::Misconfigured { .. }) => {
                    break Because::from(&failure);
                }
                Err(failure) => {
                    self.stop_if_lost(&failure)?;
                    (Duration::from_secs(1), Because::from(&failure))
                }
            };
            if self.engine.clock.boot() + wait >= give_up_at {
                break because;
            }
            let mut stopping = self.engine.stopping.subscribe();
            tokio::select! {
                () = self.engine.clock.sleep(wait.max(Duration::from_millis(50))) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return Ok(Then::LookAgain),
            }
        };
        self.record(running, vec![Recorded::VerifyFailed { because }]).await?;
        Ok(Then::LookAgain)
    }

    /// Why the version before cannot come back: there is none, or it was revoked.
    async fn no_way_back(&self, subject: &Subject, call: &Call) -> Result<Option<Because>, RunError> {
        if call.work.current.is_none() && !call.can_revert_to_nothing() {
            return Ok(Some(Because::new(
                "no-way-back",
                "the rotation failed and no earlier value is known to go back to",
                "`keywheel rotation retry`, or set the value by hand and `keywheel rotation resolve`",
            )));
        }
        let Some(current) = subject.current() else { return Ok(None) };
        let mut tx = self.engine.store.read().await?;
        if !self.engine.is_revoked(&mut tx, &subject.secret, &current.identity).await? {
            return Ok(None);
        }
        Ok(Some(Because::new(
            "revoked-before",
            "the rotation failed, and the certificate before was revoked: nothing goes back to it",
            "mend what failed, then `keywheel rotation retry`",
        )))
    }

    async fn revert(&self, subject: &Subject, running: &Running, attempt: u32) -> Result<Then, RunError> {
        let call = self.call(subject, running).await?;
        let Some(candidate) = self.candidate_version(subject, running).await? else { return Ok(Then::LookAgain) };
        if let Some(because) = self.no_way_back(subject, &call).await? {
            self.record(running, vec![Recorded::Stuck { because }]).await?;
            return Ok(Then::LookAgain);
        }
        let running = self.record(running, vec![Recorded::Reverting { attempt }]).await?;
        let recorded = match call.revert(self.engine.open(&candidate)?).await {
            Ok(()) => Recorded::Reverted,
            Err(failure) => {
                self.stop_if_lost(&failure)?;
                let class = FailureClass::from(&failure.decision);
                let not_before = micros(self.engine.now() + LOOK_AGAIN);
                Recorded::RevertFailed { attempt, class, because: Because::from(&failure), not_before }
            }
        };
        self.record(&running, vec![recorded]).await?;
        Ok(Then::LookAgain)
    }
}
