//! What a rotator's author brings to the kit: fresh accounts, an independent login, and ways to disturb the target.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::random::{SystemRandom, hex};
use crate::{Material, Random, Rotator, Target, TargetId};

/// The rig itself failed: this says nothing about the rotator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RigError(pub String);

impl RigError {
    fn no_hook(hook: &str) -> Self {
        Self(format!("the rig says that it can `{hook}`, and has no such hook"))
    }
}

/// Whether a rig can do something; if not, why, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Can {
    /// It can.
    Yes,
    /// It cannot, for this reason.
    No(&'static str),
}

/// What a rig can do to its target. There is no default on purpose: each must be thought of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// [`Rig::lose_reply`].
    pub lose_reply: Can,
    /// [`Rig::hold`] and [`Rig::let_go`].
    pub hold: Can,
    /// [`Rig::freeze`] and [`Rig::thaw`].
    pub freeze: Can,
    /// [`Rig::refuse_next`].
    pub refuse: Can,
    /// [`Rig::accept_anything`].
    pub accept_anything: Can,
}

/// A fresh account, as the engine would describe it to the rotator.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The target, with the admin's credentials where it needs them.
    pub target: Target,
    /// The rotator's settings of the secret.
    pub settings: Value,
    /// The credential that is in use.
    pub current: Material,
}

impl Stage {
    /// A stage at a target that needs no admin.
    pub fn new(target: Value, secret: Value, current: Material) -> Self {
        let id = TargetId::mint(chrono::DateTime::UNIX_EPOCH, [0; 10]);
        let target = Target { id, name: "kit".to_owned(), settings: target, admins: Vec::new() };
        Self { target, settings: secret, current }
    }

    /// The same with an admin's credential.
    #[must_use]
    pub fn with_admin(mut self, admin: Material) -> Self {
        self.target.admins.push(admin);
        self
    }
}

/// The surroundings in which the kit tries a rotator.
#[async_trait]
pub trait Rig: Send + Sync {
    /// The rotator to try.
    fn rotator(&self) -> &dyn Rotator;

    /// What this rig can do to its target.
    fn capabilities(&self) -> Capabilities;

    /// Makes a new account with a known credential that is accepted. Each check uses accounts of its own.
    async fn fresh(&self) -> Result<Stage, RigError>;

    /// Whether the target accepts a credential now, found without the rotator.
    async fn logs_in(&self, stage: &Stage, credential: &Material) -> Result<bool, RigError>;

    /// How many disturbances that the hooks below arranged at this stage have really happened: answers lost, changes
    /// held, calls frozen or refused.
    async fn disturbed(&self, _stage: &Stage) -> Result<u64, RigError> {
        Err(RigError::no_hook("disturbed"))
    }

    /// The next change at this account shall happen, and its answer be lost.
    async fn lose_reply(&self, _stage: &Stage) -> Result<(), RigError> {
        Err(RigError::no_hook("lose_reply"))
    }

    /// From now on changes of this account wait inside the target, as behind another session's lock.
    async fn hold(&self, _stage: &Stage) -> Result<(), RigError> {
        Err(RigError::no_hook("hold"))
    }

    /// What waits since [`Rig::hold`] goes on, unless the target has given it up.
    async fn let_go(&self, _stage: &Stage) -> Result<(), RigError> {
        Err(RigError::no_hook("let_go"))
    }

    /// From now on the target takes what it is sent and answers nothing.
    async fn freeze(&self, _stage: &Stage) -> Result<(), RigError> {
        Err(RigError::no_hook("freeze"))
    }

    /// Ends [`Rig::freeze`]; what was sent meanwhile may happen now.
    async fn thaw(&self, _stage: &Stage) -> Result<(), RigError> {
        Err(RigError::no_hook("thaw"))
    }

    /// The target shall refuse the next change, if possible in words that quote the value it was sent.
    async fn refuse_next(&self, _stage: &Stage) -> Result<(), RigError> {
        Err(RigError::no_hook("refuse_next"))
    }

    /// From now on the target lets this account in whatever the credential.
    async fn accept_anything(&self, _stage: &Stage) -> Result<(), RigError> {
        Err(RigError::no_hook("accept_anything"))
    }

    /// How many credentials of this account live at the target, where that can be counted.
    async fn count(&self, _stage: &Stage) -> Result<Option<usize>, RigError> {
        Ok(None)
    }

    /// What the rotator has logged so far, where the rig captures it.
    fn captured_logs(&self) -> String {
        String::new()
    }

    /// The fields of a credential that are not secret.
    fn public_fields(&self) -> &[&'static str] {
        &["username"]
    }

    /// A credential for the same account that the target has never seen.
    fn forge(&self, like: &Material) -> Material {
        let fields = like.expose().iter().map(|(name, value)| {
            let public = self.public_fields().contains(&name.as_str());
            let value = if public { value.clone() } else { Value::String(hex::<16>(self.random())) };
            (name.clone(), value)
        });
        Material::new(fields.collect())
    }

    /// Where random values come from.
    fn random(&self) -> &dyn Random {
        &SystemRandom
    }

    /// The deadline that operations are given, and after which the kit abandons them.
    fn deadline(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// How long `verify` and `settle` may go on to answer *not yet*.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// How long after [`Rig::let_go`] a change that still lives needs to happen.
    fn grace(&self) -> Duration {
        Duration::from_secs(1)
    }
}
