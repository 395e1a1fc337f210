//! The one place where these operations ask a target something. Looks only: nothing here changes a target.

use std::sync::Arc;

use keywheel_contract::{Cx, Failure, Material, Observation, Preflight, Redactor, Rotator, Target, Work};

use crate::engine::Engine;

/// Fields of credentials that are no secret: masking a role's name would hide the message.
const PUBLIC_FIELDS: &[&str] = &["username", "host", "port", "database", "id"];

/// A look at a target that is about to be taken.
pub(super) struct Outside {
    pub(super) engine: Arc<Engine>,
    pub(super) rotator: Arc<dyn Rotator>,
    pub(super) target: Target,
    pub(super) work: Work,
}

impl Outside {
    pub(super) async fn preflight(&self) -> Result<Preflight, Failure> {
        let cx = self.cx();
        let call = self.rotator.preflight(&cx, &self.target, &self.work);
        self.within(call, None).await
    }

    pub(super) async fn probe(&self, credential: &Material) -> Result<Vec<Observation>, Failure> {
        let cx = self.cx();
        let call = self.rotator.probe(&cx, &self.target, &self.work, credential);
        self.within(call, Some(credential)).await
    }

    fn cx(&self) -> Cx<'_> {
        Cx { random: &*self.engine.random, deadline: self.engine.options.step_deadline.mul_f64(0.9) }
    }

    /// Waits for a call up to the deadline. A look may be dropped there: it changes nothing.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>>,
        credential: Option<&Material>,
    ) -> Result<T, Failure> {
        let deadline = self.engine.options.step_deadline;
        let answer = tokio::select! {
            answer = call => answer,
            () = self.engine.clock.sleep(deadline) => {
                let sentence = format!("the target did not answer within {} s", deadline.as_secs());
                Err(Failure::transient("deadline", sentence, "is the target overloaded or frozen?"))
            }
        };
        answer.map_err(|mut failure| {
            let values = self.target.admins.iter().chain(&self.work.current).chain(credential);
            let redactor = Redactor::of(values, PUBLIC_FIELDS);
            failure.sentence = redactor.redact(&failure.sentence);
            failure.hint = redactor.redact(&failure.hint);
            failure
        })
    }
}
