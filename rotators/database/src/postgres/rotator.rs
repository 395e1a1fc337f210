//! The trait's implementation: reads the settings, then hands over to one module per operation.

use std::sync::Arc;

use async_trait::async_trait;
use keywheel_contract::{
    Applied, Cx, Declaration, Failure, Material, Observation, Origin, Overlap, Preflight, Prepared, Probing,
    Revertible, Rotator, Settled, Target, Verdict, Work,
};
use serde_json::Value;

use super::{
    change::Change,
    idle::Idle,
    job::{Credential, Job, Until},
    preflight, probe,
    settings::{Strategy, TargetSettings},
    settle, stored, verify,
};

/// Rotates the password of a PostgreSQL role.
///
/// A target's settings: `host`, `port` (5432), `hosts` (more servers to verify at: `host`, `port`, `standing` =
/// `following` or `deciding`), `database` (`postgres`), `tls` (`verify-full`; `off` on loopback and unix sockets),
/// `ca` (PEM), `connect_timeout` (`5s`, 100 ms to 60 s). A secret's settings: `strategy` (`single` with `role`,
/// `alternate` with `roles` and `owner`), `database`, `password` (rules), `password_form` (`verifier`, `md5`,
/// `clear`), `valid_until` (`keep`, `infinity`, `next-due+7d`), `self_managed` (false). A value has the fields
/// `username` and `password`; the identity is the role.
///
/// A revert restores the password and not `VALID UNTIL`: an end that `apply` moved further stays there.
#[derive(Debug, Clone)]
pub struct PostgresRotator {
    idle: Arc<Idle>,
}

impl PostgresRotator {
    /// Makes the rotator. It keeps nothing but admin sessions that wait some seconds for the next change.
    pub fn new() -> Self {
        Self { idle: Arc::new(Idle::new()) }
    }
}

impl Default for PostgresRotator {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Rotator for PostgresRotator {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn declare(&self, target: &Value, secret: &Value) -> Result<Declaration, Failure> {
        let is_single = matches!(Job::read(target, secret)?.secret.strategy, Strategy::Single { .. });
        Ok(Declaration {
            origin: Origin::MintedHere,
            overlap: if is_single { Overlap::None } else { Overlap::TwoRoles },
            probing: Probing::Any,
            minting_ends_old: is_single,
            revertible: Revertible::Yes,
            locks_after: None,
        })
    }

    fn address(&self, target: &Value) -> Result<Value, Failure> {
        Ok(TargetSettings::read(target)?.address_part())
    }

    fn identity(&self, _secret: &Value, material: &Material) -> Result<String, Failure> {
        Ok(Credential::read("secret.value", material)?.role.to_owned())
    }

    async fn preflight(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Preflight, Failure> {
        let job = Job::read(&target.settings, &work.settings)?;
        preflight::preflight(cx, &job, target, work, Until::after(cx.deadline)).await
    }

    async fn prepare(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Prepared, Failure> {
        let job = Job::read(&target.settings, &work.settings)?;
        let current = work.current.as_ref().and_then(|current| current.text("username"));
        let role = job.secret.next_role(current);
        let password = stored::mint(cx.random, &job.secret.rules)?;
        let material = Material::of_texts([("username", role), ("password", password.expose())]);
        Ok(Prepared::Minted { material, identity: role.to_owned() })
    }

    async fn apply(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<Applied, Failure> {
        let job = Job::read(&target.settings, &work.settings)?;
        Change { cx, idle: &self.idle, job: &job, target, work, until: Until::after(cx.deadline) }
            .apply(candidate)
            .await
    }

    async fn verify(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        candidate: &Material,
    ) -> Result<Verdict, Failure> {
        let job = Job::read(&target.settings, &work.settings)?;
        let credential = Credential::read("secret.candidate", candidate)?;
        verify::verify(&job, target, credential, Until::after(cx.deadline)).await
    }

    async fn probe(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        credential: &Material,
    ) -> Result<Vec<Observation>, Failure> {
        let job = Job::read(&target.settings, &work.settings)?;
        let credential = Credential::read("secret.value", credential)?;
        probe::probe(&job, target, credential, Until::after(cx.deadline)).await
    }

    async fn settle(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Settled, Failure> {
        let job = Job::read(&target.settings, &work.settings)?;
        settle::settle(&job, target, &work.rotation, Until::after(cx.deadline)).await
    }

    async fn revert(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<(), Failure> {
        let job = Job::read(&target.settings, &work.settings)?;
        Change { cx, idle: &self.idle, job: &job, target, work, until: Until::after(cx.deadline) }
            .revert(candidate)
            .await
    }

    async fn retire(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        old: &Material,
        live: &Material,
    ) -> Result<(), Failure> {
        let job = Job::read(&target.settings, &work.settings)?;
        Change { cx, idle: &self.idle, job: &job, target, work, until: Until::after(cx.deadline) }
            .retire(old, live)
            .await
    }
}
