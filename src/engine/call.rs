//! The one door to rotators: a claim that stands, a deadline, a task of its own, and texts without secrets.
//!
//! `apply` and `retire` ask for proof that what they use is durable. A call that changes something runs in a task of
//! its own and is never dropped by a time limit before its deadline; at its deadline it is *unknown*, its task is
//! aborted, and that closes its connection.

mod progress;

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use keywheel_contract::{
    Applied, Checkpoint, Cx, Failure, Material, NotKept, Observation, Overlap, Preflight, Prepared, Redactor, Rotator,
    Settled, Target, Verdict, Work,
};

pub(super) use progress::Progress;

use super::{Engine, Trouble};
use crate::store::proof::{Published, Sealed};

/// Fields of credentials that are no secret: masking a role's name would hide the message.
const PUBLIC_FIELDS: &[&str] =
    &["username", "host", "port", "database", "id", "serial", "not_before", "not_after", "certificate", "chain", "ca"];

/// The code of a call that was not made because the claim had ended: it says nothing about the target.
pub(super) const CLAIM_LOST: &str = "claim-lost";

/// Who may call: a claim, asked for directly before each call; or a person, who needs none to look.
#[derive(Debug, Clone)]
pub(super) enum Right {
    /// The holder of a claim.
    Claim { subject: String, fence: i64 },
    /// A look that changes nothing.
    Look,
}

/// A call that is about to be made.
pub(super) struct Call {
    pub(super) engine: Arc<Engine>,
    pub(super) rotator: Arc<dyn Rotator>,
    pub(super) target: Target,
    pub(super) work: Work,
    pub(super) right: Right,
}

impl Call {
    pub(super) async fn preflight(&self) -> Result<Preflight, Failure> {
        self.run(|cx, call| async move { call.rotator.preflight(&cx.cx(), &call.target, &call.work).await }).await
    }

    pub(super) async fn prepare(&self) -> Result<Prepared, Failure> {
        self.run(|cx, call| async move { call.rotator.prepare(&cx.cx(), &call.target, &call.work).await }).await
    }

    /// Applies the value that is read back from the store. What the rotator learns on the way, and what the target
    /// issued, is sealed in its place.
    pub(super) async fn apply_sealed(&self, sealed: &Sealed, progress: &Arc<Progress>) -> Result<Applied, Failure> {
        let candidate = self.open(sealed.version())?;
        let checkpoint = Arc::clone(progress) as Arc<dyn Checkpoint>;
        let applied = self.run_keeping(self.patience(), checkpoint, |cx, call| async move {
            call.rotator.apply(&cx.cx(), &call.target, &call.work, &candidate).await
        });
        let applied = applied.await?;
        if let Some((material, identity)) = &applied.issued {
            progress.keep(material, identity).await?;
        }
        Ok(applied)
    }

    pub(super) async fn verify(&self, candidate: Material) -> Result<Verdict, Failure> {
        self.run_keeping(self.patience(), Arc::new(NotKept), |cx, call| async move {
            call.rotator.verify(&cx.cx(), &call.target, &call.work, &candidate).await
        })
        .await
    }

    pub(super) async fn probe(&self, credential: Material) -> Result<Vec<Observation>, Failure> {
        self.run(|cx, call| async move { call.rotator.probe(&cx.cx(), &call.target, &call.work, &credential).await })
            .await
    }

    pub(super) async fn due_at(&self, credential: Material) -> Result<Option<DateTime<Utc>>, Failure> {
        self.run(|cx, call| async move { call.rotator.due_at(&cx.cx(), &call.target, &call.work, &credential).await })
            .await
    }

    pub(super) async fn settle(&self) -> Result<Settled, Failure> {
        self.run(|cx, call| async move { call.rotator.settle(&cx.cx(), &call.target, &call.work).await }).await
    }

    pub(super) async fn revert(&self, candidate: Material) -> Result<(), Failure> {
        self.run_keeping(self.patience(), Arc::new(NotKept), |cx, call| async move {
            call.rotator.revert(&cx.cx(), &call.target, &call.work, &candidate).await
        })
        .await
    }

    pub(super) async fn retire_old(&self, old: Material, live: &Published) -> Result<(), Failure> {
        let live = self.open(live.version())?;
        self.run(|cx, call| async move { call.rotator.retire(&cx.cx(), &call.target, &call.work, &old, &live).await })
            .await
    }

    /// Whether there is a way back without a version before: what was brought is taken away again.
    pub(super) fn can_revert_to_nothing(&self) -> bool {
        let declared = self.rotator.declare(&self.target.settings, &self.work.settings);
        declared.is_ok_and(|declared| declared.overlap == Overlap::Certificate)
    }

    fn open(&self, version: &crate::model::Version) -> Result<Material, Failure> {
        self.engine.open(version).map_err(|trouble| Failure::from(&trouble))
    }

    /// How long a change may take: the usual step, or what the rotator asks for.
    fn patience(&self) -> Duration {
        let usual = self.engine.options.step_deadline;
        self.rotator.patience(&self.target.settings, &self.work.settings).map_or(usual, |asked| asked.max(usual))
    }

    /// Runs a call in a task of its own, up to the usual deadline.
    async fn run<T, F, Fut>(&self, call: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(OwnedCx, Owned) -> Fut,
        Fut: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.run_keeping(self.engine.options.step_deadline, Arc::new(NotKept), call).await
    }

    /// Runs a call in a task of its own, up to the deadline; what it learns goes to the checkpoint.
    async fn run_keeping<T, F, Fut>(
        &self,
        deadline: Duration,
        checkpoint: Arc<dyn Checkpoint>,
        call: F,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(OwnedCx, Owned) -> Fut,
        Fut: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.check_right()?;
        let cx = OwnedCx { engine: Arc::clone(&self.engine), deadline, now: self.engine.now(), checkpoint };
        let owned = Owned { rotator: Arc::clone(&self.rotator), target: self.target.clone(), work: self.work.clone() };
        let mut task = tokio::spawn(call(cx, owned));
        let answer = tokio::select! {
            answer = &mut task => answer,
            () = self.engine.clock.sleep(deadline) => {
                task.abort();
                let sentence = format!("the target did not answer within {} s", deadline.as_secs());
                return Err(Failure::unknown("deadline", sentence, "is the target overloaded or frozen?"));
            }
        };
        match answer {
            Ok(result) => result.map_err(|failure| self.redact(failure)),
            Err(_) => Err(Failure::unknown(
                "rotator-panicked",
                format!("the rotator `{}` panicked", self.rotator.kind()),
                "report this as a defect of the rotator",
            )),
        }
    }

    fn check_right(&self) -> Result<(), Failure> {
        let Right::Claim { subject, fence } = &self.right else { return Ok(()) };
        if self.engine.claims.stands(subject, *fence, self.engine.clock.boot()) {
            return Ok(());
        }
        Err(Failure::transient(CLAIM_LOST, "the claim ended before the call", "nothing to do: its new holder goes on"))
    }

    /// Masks every value at hand in a failure's texts.
    fn redact(&self, mut failure: Failure) -> Failure {
        let redactor = Redactor::of(self.target.admins.iter().chain(&self.work.current), PUBLIC_FIELDS);
        failure.sentence = redactor.redact(&failure.sentence);
        failure.hint = redactor.redact(&failure.hint);
        failure
    }
}

/// What a call's task owns.
struct Owned {
    rotator: Arc<dyn Rotator>,
    target: Target,
    work: Work,
}

struct OwnedCx {
    engine: Arc<Engine>,
    deadline: Duration,
    now: DateTime<Utc>,
    checkpoint: Arc<dyn Checkpoint>,
}

impl OwnedCx {
    fn cx(&self) -> Cx<'_> {
        // The rotator's own limits end a little before the engine's, so that the target's word is heard.
        Cx {
            random: &*self.engine.random,
            deadline: self.deadline.mul_f64(0.9),
            now: self.now,
            checkpoint: &*self.checkpoint,
        }
    }
}

impl From<&Trouble> for Failure {
    fn from(trouble: &Trouble) -> Self {
        Self::transient("store-trouble", trouble.sentence.clone(), trouble.hint.clone())
    }
}
