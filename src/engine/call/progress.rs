//! What a rotator learned while it applied: sealed in the candidate's place before it goes on.
//!
//! One transaction under the claim. A crash before its commit leaves the candidate as it was, and the next attempt
//! learns the same again; after it, the next attempt is given what was kept.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use keywheel_contract::{Checkpoint, Failure, Material};

use crate::{
    engine::{Engine, Trouble, load::Subject},
    model::{Name, Secret, VersionId},
    store::{
        StoreError,
        agenda::{self, Claim},
        certificate, event, version,
    },
};

/// The checkpoint of one candidate.
pub(in crate::engine) struct Progress {
    engine: Arc<Engine>,
    claim: Claim,
    subject: (Secret, Option<Name>),
    candidate: VersionId,
    kept: AtomicBool,
}

impl Progress {
    pub(in crate::engine) fn of(
        engine: &Arc<Engine>,
        claim: &Claim,
        subject: &Subject,
        candidate: &VersionId,
    ) -> Arc<Self> {
        let (engine, claim) = (Arc::clone(engine), claim.clone());
        let subject = (subject.secret.clone(), subject.admin().cloned());
        Arc::new(Self { engine, claim, subject, candidate: candidate.clone(), kept: AtomicBool::new(false) })
    }

    /// Whether the candidate is another one now than it was when it was read.
    pub(in crate::engine) fn has_kept(&self) -> bool {
        self.kept.load(Ordering::Acquire)
    }

    async fn seal(&self, candidate: &Material, identity: &str) -> Result<(), Trouble> {
        let (engine, claim, id) = (Arc::clone(&self.engine), self.claim.clone(), self.candidate.clone());
        let (material, identity) = (candidate.clone(), identity.to_owned());
        let (secret, authority) = self.subject.clone();
        self.engine
            .write(move |tx| {
                Box::pin(async move {
                    agenda::hold(tx, &claim.subject, claim.fence).await?;
                    let found = version::find(tx, engine.keyring(), &claim.tenant, &id).await?;
                    let mut version = found.ok_or(StoreError::Stale { what: "candidate" })?;
                    engine.seal_into(&mut version, &material)?;
                    version.identity = identity;
                    let mut written = vec![version::update(tx, engine.keyring(), &mut version).await?];
                    if let Some(row) = engine.certificate_of(&secret, authority.as_ref(), &version, &material)? {
                        written.extend(certificate::insert_of_version(tx, engine.keyring(), &row).await?);
                    }
                    event::note_without_event(tx, &written).await?;
                    Ok::<_, Trouble>(())
                })
            })
            .await
    }
}

#[async_trait]
impl Checkpoint for Progress {
    async fn keep(&self, candidate: &Material, identity: &str) -> Result<(), Failure> {
        let sealed = self.seal(candidate, identity).await;
        self.kept.store(true, Ordering::Release);
        sealed.map_err(|trouble| Failure::unknown("not-kept", trouble.sentence, trouble.hint))
    }
}
