//! Deliberately bad rotators: one for each property, and proof that the kit finds it and nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::timeout;

use super::{Cause, FakeRig, FakeRotator, Operation, Outcome, Property, Strategy, check, run};
use crate::{
    Applied, Cx, Declaration, Failure, Material, Observation, Overlap, Preflight, Prepared, Refusal, RotationId,
    Rotator, Seen, Settled, Standing, Target, Verdict, Work,
};

/// What is wrong with a bad rotator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    DeclaresAnOverlapThatIsNone,
    PreflightSetsAPassword,
    PreflightTriesNoRandomPassword,
    PreflightAlwaysBlocks,
    VerifyNeverTries,
    ProbePraisesStrangers,
    SecondRetireEndsTheLive,
    RevertOfNothingEndsTheCurrent,
    SecondRevertEndsTheCurrent,
    RevertAfterVerifyDoesNothing,
    SilenceIsARefusal,
    ApplyHasAGap,
    LostReplyIsARefusal,
    SettleEndsNothing,
    RetireDoesNothing,
    RetireEndsBoth,
    ErrorQuotesTheCandidate,
    FindingQuotesTheCurrent,
    /// Breaks so much that it has no property of its own.
    ApplyDoesNothing,
}

use Defect as D;

const DEFECTS: [(Defect, Property, Strategy); 18] = [
    (D::DeclaresAnOverlapThatIsNone, Property::DeclarationIsTrue, Strategy::Single),
    (D::PreflightSetsAPassword, Property::LookingChangesNothing, Strategy::Alternate),
    (D::PreflightTriesNoRandomPassword, Property::NegativeControl, Strategy::Single),
    (D::PreflightAlwaysBlocks, Property::NegativeControl, Strategy::Alternate),
    (D::VerifyNeverTries, Property::VerifyTellsTheTruth, Strategy::Single),
    (D::ProbePraisesStrangers, Property::ProbeTellsTheTruth, Strategy::Single),
    (D::SecondRetireEndsTheLive, Property::RepeatIsHarmless, Strategy::Alternate),
    (D::RevertOfNothingEndsTheCurrent, Property::RevertWithoutApply, Strategy::Single),
    (D::SecondRevertEndsTheCurrent, Property::RevertTwice, Strategy::Single),
    (D::RevertAfterVerifyDoesNothing, Property::UnwindAfterEachStep, Strategy::Alternate),
    (D::SilenceIsARefusal, Property::Deadline, Strategy::Single),
    (D::ApplyHasAGap, Property::Cancel, Strategy::Single),
    (D::LostReplyIsARefusal, Property::ReplyLost, Strategy::Alternate),
    (D::SettleEndsNothing, Property::DeadAttempt, Strategy::Alternate),
    (D::RetireDoesNothing, Property::RetireEndsTheOld, Strategy::Alternate),
    (D::RetireEndsBoth, Property::RetireEndsTheOld, Strategy::Alternate),
    (D::ErrorQuotesTheCandidate, Property::NoSecretInTexts, Strategy::Single),
    (D::FindingQuotesTheCurrent, Property::NoSecretInTexts, Strategy::Alternate),
];

/// A good rotator with one thing wrong.
struct BadRotator {
    good: FakeRotator,
    defect: Defect,
    /// Operations by rotation, counted before they run.
    before: Mutex<HashMap<(RotationId, Operation), u32>>,
}

impl BadRotator {
    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    /// Counts a call, and returns how often it was made before.
    fn count(&self, work: &Work, operation: Operation) -> u32 {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let count = before.entry((work.rotation.clone(), operation)).or_default();
        *count += 1;
        *count - 1
    }

    fn called(&self, work: &Work, operation: Operation) -> bool {
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        before.contains_key(&(work.rotation.clone(), operation))
    }

    /// Makes an identity forget what it accepts.
    fn end(&self, work: &Work, credential: &Material) {
        let account = work.settings["account"].as_str().unwrap_or_default();
        self.good.target.overwrite(account, credential.text("username").unwrap_or_default(), "nobody knows this");
    }

    fn end_current(&self, work: &Work) {
        work.current.iter().for_each(|current| self.end(work, current));
    }
}

#[async_trait]
impl Rotator for BadRotator {
    fn kind(&self) -> &'static str {
        "bad"
    }

    fn declare(&self, target: &Value, secret: &Value) -> Result<Declaration, Failure> {
        let mut declared = self.good.declare(target, secret)?;
        if self.has(D::DeclaresAnOverlapThatIsNone) {
            declared.overlap = Overlap::TwoPasswords;
            declared.minting_ends_old = false;
        }
        Ok(declared)
    }

    fn address(&self, target: &Value) -> Result<Value, Failure> {
        self.good.address(target)
    }

    fn identity(&self, secret: &Value, material: &Material) -> Result<String, Failure> {
        self.good.identity(secret, material)
    }

    async fn preflight(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Preflight, Failure> {
        let mut found = self.good.preflight(cx, target, work).await?;
        match self.defect {
            D::PreflightSetsAPassword => self.end_current(work),
            D::PreflightTriesNoRandomPassword => return Ok(Preflight::default()),
            D::PreflightAlwaysBlocks => found.findings.push(super::fake_rotator::finding(
                crate::FindingKind::Blocks,
                "cannot-be-done",
                "a bad mood stands in the way",
            )),
            D::FindingQuotesTheCurrent => found.changes.extend(
                work.current.iter().filter_map(|m| m.text("password")).map(|password| format!("end {password}")),
            ),
            _ => {}
        }
        Ok(found)
    }

    async fn prepare(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Prepared, Failure> {
        self.good.prepare(cx, target, work).await
    }

    async fn apply(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<Applied, Failure> {
        self.count(work, Operation::Apply);
        if self.has(D::ApplyDoesNothing) {
            return Ok(Applied { issued: None });
        }
        if self.has(D::ApplyHasAGap) {
            self.good.settle(cx, target, work).await?;
            self.end(work, candidate);
        }
        let applied = self.good.apply(cx, target, work, candidate).await;
        applied.map_err(|failure| match (self.defect, failure.code) {
            (D::LostReplyIsARefusal, "fake-answer-lost") => {
                Failure::refused("bad-refused", failure.sentence, failure.hint)
            }
            (D::ErrorQuotesTheCandidate, "fake-refused") => {
                let password = candidate.text("password").unwrap_or_default();
                Failure::refused("bad-refused", failure.sentence, format!("try another than {password}"))
            }
            _ => failure,
        })
    }

    async fn verify(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        candidate: &Material,
    ) -> Result<Verdict, Failure> {
        self.count(work, Operation::Verify);
        if self.has(D::VerifyNeverTries) {
            return Ok(Verdict::Works { endpoints: vec!["surely".to_owned()] });
        }
        self.good.verify(cx, target, work, candidate).await
    }

    async fn probe(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        credential: &Material,
    ) -> Result<Vec<Observation>, Failure> {
        let account = work.settings["account"].as_str().unwrap_or_default();
        let saw = |seen| vec![Observation { endpoint: "bad".to_owned(), standing: Standing::Deciding, seen }];
        let known = self.good.target.ever_accepted(account).contains(credential.text("password").unwrap_or_default());
        if self.has(D::ProbePraisesStrangers) && !known && self.called(work, Operation::Verify) {
            return Ok(saw(Seen::Works));
        }
        let seen = self.good.probe(cx, target, work, credential);
        match timeout(cx.deadline / 2, seen).await {
            Err(_) if self.has(D::SilenceIsARefusal) => Ok(saw(Seen::Refused { refusal: Refusal::WrongCredential })),
            Err(_) => Ok(saw(Seen::Unreachable { because: "no answer".to_owned() })),
            Ok(seen) => seen,
        }
    }

    async fn settle(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Settled, Failure> {
        self.count(work, Operation::Settle);
        if self.has(D::SettleEndsNothing) {
            return Ok(Settled::Yes);
        }
        self.good.settle(cx, target, work).await
    }

    async fn revert(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<(), Failure> {
        let again = self.count(work, Operation::Revert) > 0;
        if self.has(D::RevertAfterVerifyDoesNothing) && self.called(work, Operation::Verify) {
            return Ok(());
        }
        self.good.revert(cx, target, work, candidate).await?;
        let untouched = !self.called(work, Operation::Apply) && !self.called(work, Operation::Settle);
        if self.has(D::SecondRevertEndsTheCurrent) && again || self.has(D::RevertOfNothingEndsTheCurrent) && untouched {
            self.end_current(work);
        }
        Ok(())
    }

    async fn retire(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        old: &Material,
        live: &Material,
    ) -> Result<(), Failure> {
        let again = self.count(work, Operation::Retire) > 0;
        if self.has(D::RetireDoesNothing) {
            return Ok(());
        }
        self.good.retire(cx, target, work, old, live).await?;
        if self.has(D::SecondRetireEndsTheLive) && again || self.has(D::RetireEndsBoth) {
            self.end(work, live);
        }
        Ok(())
    }
}

fn rig(defect: Defect, strategy: Strategy) -> FakeRig {
    FakeRig::of(strategy, |good| Box::new(BadRotator { good, defect, before: Mutex::default() }))
}

#[tokio::test]
async fn each_defect_fails_its_own_property_and_no_other() {
    let mut wrong = Vec::new();
    for (defect, property, strategy) in DEFECTS {
        let report = run(&rig(defect, strategy)).await;
        let failed: Vec<_> = report.failed().map(|(property, violation)| (property, violation.cause)).collect();
        if failed != [(property, Cause::Rotator)] || report.skipped().count() > 0 {
            wrong.push(format!("{defect:?}:\n{report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_property_has_a_defect_and_the_good_rotator_has_none() {
    for property in Property::ALL {
        assert!(DEFECTS.iter().any(|(_, failed, _)| *failed == property), "{property:?}");
    }
    for good in [FakeRig::single(), FakeRig::alternate()] {
        let report = run(&good).await;
        assert_eq!(report.passed().count(), Property::ALL.len(), "{report}");
    }
}

#[tokio::test]
async fn a_disturbance_that_never_happened_proves_nothing() {
    let rig = rig(D::ApplyDoesNothing, Strategy::Single);
    for property in [Property::ReplyLost, Property::DeadAttempt] {
        let Outcome::Failed(violation) = check(&rig, property).await else { panic!("{property:?} passed") };
        assert_eq!(violation.cause, Cause::Rig, "{violation}");
    }
}
