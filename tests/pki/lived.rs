//! A rotator around another one whose values end by themselves, as certificates do.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use keywheel_contract::{
    Applied, Cx, Declaration, Failure, Material, Observation, Preflight, Prepared, Rotator, Settled, Target, Verdict,
    Work,
};
use serde_json::Value;

/// The rotator, how long its values live by account, and when each of them ends.
pub(crate) struct Lived {
    inner: Arc<dyn Rotator>,
    lives: BTreeMap<String, Duration>,
    ends: Mutex<BTreeMap<String, DateTime<Utc>>>,
}

impl Lived {
    pub(crate) fn new(inner: Arc<dyn Rotator>, lives: BTreeMap<String, Duration>) -> Self {
        Self { inner, lives, ends: Mutex::default() }
    }

    fn note(&self, account: &str, material: &Material, now: DateTime<Utc>) {
        let (Some(life), Some(password)) = (self.lives.get(account), material.text("password")) else { return };
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(password.to_owned(), now + *life);
    }
}

#[async_trait]
impl Rotator for Lived {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn declare(&self, target: &Value, secret: &Value) -> Result<Declaration, Failure> {
        self.inner.declare(target, secret)
    }

    fn address(&self, target: &Value) -> Result<Value, Failure> {
        self.inner.address(target)
    }

    fn identity(&self, secret: &Value, material: &Material) -> Result<String, Failure> {
        self.inner.identity(secret, material)
    }

    fn expires_at(&self, _secret: &Value, material: &Material) -> Option<DateTime<Utc>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(material.text("password")?).copied()
    }

    async fn preflight(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Preflight, Failure> {
        self.inner.preflight(cx, target, work).await
    }

    async fn prepare(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Prepared, Failure> {
        let prepared = self.inner.prepare(cx, target, work).await?;
        if let Prepared::Minted { material, .. } = &prepared {
            self.note(&work.secret, material, cx.now);
        }
        Ok(prepared)
    }

    async fn apply(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<Applied, Failure> {
        self.inner.apply(cx, target, work, candidate).await
    }

    async fn verify(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        candidate: &Material,
    ) -> Result<Verdict, Failure> {
        self.inner.verify(cx, target, work, candidate).await
    }

    async fn probe(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        credential: &Material,
    ) -> Result<Vec<Observation>, Failure> {
        self.inner.probe(cx, target, work, credential).await
    }

    async fn settle(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Settled, Failure> {
        self.inner.settle(cx, target, work).await
    }

    async fn revert(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<(), Failure> {
        self.inner.revert(cx, target, work, candidate).await
    }

    async fn retire(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        old: &Material,
        live: &Material,
    ) -> Result<(), Failure> {
        self.inner.retire(cx, target, work, old, live).await
    }
}
