//! A rotator around another one: does everything twice if asked to, and counts what is under way at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use keywheel_contract::{
    Applied, Cx, Declaration, Failure, Material, Observation, Preflight, Prepared, Rotator, Settled, Target, Verdict,
    Work,
};
use serde_json::Value;

/// The rotator that is watched.
pub(super) struct Watched {
    inner: Arc<dyn Rotator>,
    is_doubled: bool,
    under_way: AtomicUsize,
    most: Arc<AtomicUsize>,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn Rotator>, is_doubled: bool) -> Self {
        Self { inner, is_doubled, under_way: AtomicUsize::new(0), most: Arc::default() }
    }

    /// The most calls that were ever under way at once.
    pub(super) fn most(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.most)
    }

    fn enter(&self) -> Entered<'_> {
        self.most.fetch_max(self.under_way.fetch_add(1, Ordering::AcqRel) + 1, Ordering::AcqRel);
        Entered(&self.under_way)
    }
}

/// A call that is under way.
struct Entered<'a>(&'a AtomicUsize);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl Rotator for Watched {
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

    async fn preflight(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Preflight, Failure> {
        let _entered = self.enter();
        if self.is_doubled {
            let _ = self.inner.preflight(cx, target, work).await;
        }
        self.inner.preflight(cx, target, work).await
    }

    async fn prepare(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Prepared, Failure> {
        let _entered = self.enter();
        if self.is_doubled {
            let _ = self.inner.prepare(cx, target, work).await;
        }
        self.inner.prepare(cx, target, work).await
    }

    async fn apply(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<Applied, Failure> {
        let _entered = self.enter();
        if self.is_doubled {
            let _ = self.inner.apply(cx, target, work, candidate).await;
        }
        self.inner.apply(cx, target, work, candidate).await
    }

    async fn verify(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        candidate: &Material,
    ) -> Result<Verdict, Failure> {
        let _entered = self.enter();
        if self.is_doubled {
            let _ = self.inner.verify(cx, target, work, candidate).await;
        }
        self.inner.verify(cx, target, work, candidate).await
    }

    async fn probe(
        &self,
        cx: &Cx<'_>,
        target: &Target,
        work: &Work,
        credential: &Material,
    ) -> Result<Vec<Observation>, Failure> {
        let _entered = self.enter();
        if self.is_doubled {
            let _ = self.inner.probe(cx, target, work, credential).await;
        }
        self.inner.probe(cx, target, work, credential).await
    }

    async fn settle(&self, cx: &Cx<'_>, target: &Target, work: &Work) -> Result<Settled, Failure> {
        let _entered = self.enter();
        if self.is_doubled {
            let _ = self.inner.settle(cx, target, work).await;
        }
        self.inner.settle(cx, target, work).await
    }

    async fn revert(&self, cx: &Cx<'_>, target: &Target, work: &Work, candidate: &Material) -> Result<(), Failure> {
        let _entered = self.enter();
        if self.is_doubled {
            let _ = self.inner.revert(cx, target, work, candidate).await;
        }
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
        let _entered = self.enter();
        if self.is_doubled {
            let _ = self.inner.retire(cx, target, work, old, live).await;
        }
        self.inner.retire(cx, target, work, old, live).await
    }
}
