//! Proof that something is durable: tokens that only a read of a committed row makes.
//!
//! The engine's one door to rotators asks for them, so that changing a target before the seal, or retiring before
//! the publish, does not compile. The value that is applied is the one that was read back.

use super::{Store, StoreError, version};
use crate::model::{Stage, TenantId, Version, VersionId};

/// A version whose value is durable in the store.
#[derive(Debug)]
pub struct Sealed(Version);

impl Sealed {
    /// The version as it was read back.
    pub fn version(&self) -> &Version {
        &self.0
    }

    /// The version, where the proof has served.
    pub fn into_version(self) -> Version {
        self.0
    }
}

/// A version that is durably current.
#[derive(Debug)]
pub struct Published(Version);

impl Published {
    /// The version as it was read back.
    pub fn version(&self) -> &Version {
        &self.0
    }
}

/// Reads a sealed version back, over a connection that sees only what is committed.
pub async fn find_sealed(store: &Store, tenant: &TenantId, id: &VersionId) -> Result<Option<Sealed>, StoreError> {
    let mut tx = store.read().await?;
    let found = version::find(&mut tx, store.keyring(), tenant, id).await?;
    Ok(found.filter(|version| version.token.is_some()).map(Sealed))
}

/// Reads a published version back, over a connection that sees only what is committed.
pub async fn find_published(store: &Store, tenant: &TenantId, id: &VersionId) -> Result<Option<Published>, StoreError> {
    let mut tx = store.read().await?;
    let found = version::find(&mut tx, store.keyring(), tenant, id).await?;
    Ok(found.filter(|version| version.stage == Stage::Current && version.token.is_some()).map(Published))
}
