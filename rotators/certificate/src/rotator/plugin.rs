//! The trait's implementation: reads the settings, then hands over to one module per operation.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use keywheel_contract::{
    Applied, Cx, Declaration, Failure, Material, Observation, Origin, Overlap, Preflight, Prepared, Probing,
    Revertible, Rotator, Settled, Target, Verdict, Work,
};
use serde_json::Value;

use super::{
    Host,
    apply::Change,
    held::{Held, Shown},
    job::{Job, Until, admin},
    preflight, probe,
    reloads::Reloads,
    settings::TargetSettings,
    source, verify,
};

/// Rotates X.509 certificates.
///
/// A target's settings: `install` (`ROOT/PATH`), `check` and `reload` (names of hooks), `probes` (`address` =
/// `host:port`, `server_name`, `starttls` = `smtp`, `imap` or `postgres`), `acme` (for a public authority), `crl_url`.
/// A secret's settings: `names`, `common_name`, `organisation`, `profile` (`server`, `client`, `server-and-client`),
/// `key` (`p256`), `lifetime` (`90d`), `on_clamp` (`refuse`, `shorten`), `revoke_old` (false). A value has the fields
/// `private_key`, `certificate`, `chain`, `ca`, `serial`, `not_before` and `not_after`; the identity is the serial.
pub struct CertificateRotator {
    host: Host,
    reloads: Arc<Reloads>,
}

/// What files, looks and a certificate of one's own take beside hooks and orders.
const OWN_WORK: Duration = Duration::from_secs(30);

const SETTLE_AGAIN: Duration = Duration::from_secs(1);

impl CertificateRotator {
    /// Makes the rotator of this host.
    pub fn new(host: Host) -> Self {
        let reloads = Arc::new(Reloads::new(Arc::clone(&host.hooks)));
        Self { host, reloads }
    }

    fn job(&self, target: &Target, work: &Work) -> Result<Job, Failure> {
        Job::read(&self.host, &target.settings, &work.settings)
    }

    fn change<'a>(&'a self, cx: &'a Cx<'a>, job: &'a Job, target: &'a Target, work: &'a Work) -> Change<'a> {
        let until = Until::after(cx.deadline);
        Change { cx, host: &self.host, reloads: &self.reloads, job, target, work, until }
    }
}

#[async_trait]
impl Rotator for CertificateRotator {
    fn kind(&self) -> &'static str {
        "certificate"
    }

    fn declare(&self, target: &Value, secret: &Value) -> Result<Declaration, Failure> {
        Job::read(&self.host, target, secret)?;
        Ok(Declaration {
            origin: Origin::MintedHere,
            overlap: Overlap::Certificate,
            probing: Probing::Any,
            minting_ends_old: false,
            revertible: Revertible::Yes,
            locks_after: None,
        })
    }

    /// The same for all targets: the key of an authority is sent nowhere, and the accounts of public authorities name
    /// themselves where they are used. What a target names, the configuration file must have.
    fn address(&self, target: &Value) -> Result<Value, Failure> {
        Job::place_of(&self.host, &TargetSettings::read(target)?, &[])?;
        Ok(Value::Object(serde_json::Map::new()))
    }

    fn identity(&self, _secret: &Value, material: &Material) -> Result<String, Failure> {
        let held = Held::read("secret.value", material)?;
        if held.shown.leaf.holds_key(held.key.public_key()) {
            return Ok(held.shown.serial().to_owned());
        }
        Err(Failure::misconfigured(
            "secret.value.private_key",
            "gate-key-mismatch",
            "the certificate does not hold the public half of the private key",
            "give the key and the certificate of the same version",
        ))
    }

    fn expires_at(&self, _secret: &Value, material: &Material) -> Option<DateTime<Utc>> {
        Some(Shown::find("secret.value", material).ok()??.not_after())
    }

    fn patience(&self, target: &Value, _secret: &Value) -> Option<Duration> {
        let target = TargetSettings::read(target).ok()?;
        if target.acme.is_none() && target.check.is_none() && target.reload.is_none() {
            return None;
        }
        let limit = |name: &Option<String>| name.as_ref().map_or(Duration::ZERO, |name| self.host.hooks.limit(name));
        // A reload that fails is followed by one that takes it back.
        let hooks = limit(&target.check) + 2 * limit(&target.reload);
        let order = self.host.acme.as_ref().filter(|_| target.acme.is_some()).map_or(Duration::ZERO, |a| a.patience());
        Some((OWN_WORK + hooks + order).max(Duration::from_mins(1)))
    }

    async fn due_at(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        _work: &Work,
        credential: &Material,
    ) -> Result<Option<DateTime<Utc>>, Failure> {
        let settings = TargetSettings::read(&target.settings)?;
        let (Some(acme), true) = (&self.host.acme, settings.acme.is_some()) else { return Ok(None) };
        Ok(acme.due_at(cx, admin(target)?, credential).await)
    }

    async fn preflight(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Preflight, Failure> {
        let job = self.job(target, work)?;
        preflight::preflight(cx, &job, target, work, Until::after(cx.deadline)).await
    }

    async fn prepare(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Prepared, Failure> {
        let (material, identity) = source::mint(cx, &self.job(target, work)?, target).await?;
        Ok(Prepared::Minted { material, identity })
    }

    async fn apply(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<Applied, Failure> {
        let job = self.job(target, work)?;
        self.change(cx, &job, target, work).apply(candidate).await
    }

    async fn verify(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        candidate: &Material,
    ) -> Result<Verdict, Failure> {
        let job = self.job(target, work)?;
        verify::verify(cx, &self.reloads, &job, work, candidate, Until::after(cx.deadline)).await
    }

    async fn probe(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        credential: &Material,
    ) -> Result<Vec<Observation>, Failure> {
        let job = self.job(target, work)?;
        probe::probe(cx, &job, credential, Until::after(cx.deadline)).await
    }

    /// Nothing acts at the target after its caller is gone but work on files, which is waited for here.
    async fn settle(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Settled, Failure> {
        let job = self.job(target, work)?;
        if self.change(cx, &job, target, work).is_settled().await {
            return Ok(Settled::Yes);
        }
        let because = "work on files at the install root has not ended".to_owned();
        Ok(Settled::NotYet { look_again_in: SETTLE_AGAIN, because })
    }

    async fn revert(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<(), Failure> {
        let job = self.job(target, work)?;
        self.change(cx, &job, target, work).revert(candidate).await
    }

    async fn retire(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        old: &Material,
        live: &Material,
    ) -> Result<(), Failure> {
        let job = self.job(target, work)?;
        self.change(cx, &job, target, work).retire(old, live).await
    }
}
