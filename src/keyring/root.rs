//! Tenant roots: 32 random bytes per tenant and generation, wrapped by a master key for the store.
//!
//! The wrapping key is HKDF-SHA256(master; `wrap`, tenant, key id), and the envelope repeats tenant, key id and
//! master id: a wrapped root that was moved to another tenant or generation does not open.

use chrono::{DateTime, Utc};
use keywheel_contract::{KeyId, Random, TenantId};

use super::derive::RawKey;
use super::{KeyringError, MasterId, MasterKeys, token};

const PURPOSE: &str = "wrap";

/// A root in memory. It prints as a mask and is wiped when dropped.
#[derive(Debug)]
pub struct Root {
    tenant: TenantId,
    key_id: KeyId,
    created_at: DateTime<Utc>,
    raw: RawKey,
}

/// A root as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedRoot {
    /// Whose root it is.
    pub tenant: TenantId,
    /// Which generation.
    pub key_id: KeyId,
    /// The master key that opens it.
    pub master_id: MasterId,
    /// A format byte and a Fernet token.
    pub token: Vec<u8>,
    /// When the root was drawn, in whole microseconds; re-wrapping keeps it. What counts is the copy in the token.
    pub created_at: DateTime<Utc>,
}

impl Root {
    /// Draws a root. It must be wrapped and stored before anything is sealed under it.
    pub(super) fn draw(tenant: TenantId, key_id: KeyId, at: DateTime<Utc>, random: &dyn Random) -> Self {
        Self { tenant, key_id, created_at: at, raw: RawKey::draw(random) }
    }

    /// Builds a root from known bytes.
    #[cfg(test)]
    pub(super) fn known(tenant: TenantId, key_id: KeyId, bytes: [u8; 32]) -> Self {
        let raw = RawKey::copied(&bytes).expect("32 bytes");
        Self { tenant, key_id, created_at: DateTime::UNIX_EPOCH, raw }
    }

    /// Whose root it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Which generation.
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The bytes of the root.
    pub(super) fn raw(&self) -> &RawKey {
        &self.raw
    }

    /// Wraps this root with the newest master key.
    pub fn wrap(&self, masters: &MasterKeys) -> WrappedRoot {
        let master = masters.newest();
        let place = [self.tenant.as_str(), self.key_id.as_str()];
        let labels = [PURPOSE, place[0], place[1], master.id().as_str()];
        let token = token::make(&master.raw().derive(PURPOSE, &place), &labels, self.created_at, self.raw.expose());
        let created_at = DateTime::from_timestamp_micros(self.created_at.timestamp_micros()).unwrap_or(self.created_at);
        let (tenant, key_id) = (self.tenant.clone(), self.key_id.clone());
        WrappedRoot { tenant, key_id, master_id: master.id().clone(), token, created_at }
    }
}

impl WrappedRoot {
    /// Opens this root with the master key that it names.
    ///
    /// Errors: `MasterMissing` if that key is not in the list, `RootDoesNotOpen` if the root was altered or moved.
    pub fn unwrap(&self, masters: &MasterKeys) -> Result<Root, KeyringError> {
        let (tenant, key_id, master_id) = (self.tenant.clone(), self.key_id.clone(), self.master_id.clone());
        let Some(master) = masters.find(&self.master_id) else {
            return Err(KeyringError::MasterMissing { tenant, key_id, master_id });
        };
        let place = [self.tenant.as_str(), self.key_id.as_str()];
        let labels = [PURPOSE, place[0], place[1], master_id.as_str()];
        let opened = token::open(&master.raw().derive(PURPOSE, &place), &labels, &self.token);
        let root = opened.and_then(|opened| Some((RawKey::copied(&opened.plain)?, opened.sealed_at)));
        match root {
            Some((raw, created_at)) => Ok(Root { tenant, key_id, created_at, raw }),
            None => Err(KeyringError::RootDoesNotOpen { tenant, key_id, master_id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Seeded, at, key_id, tenant};
    use super::*;

    fn wrapped(random: &Seeded, masters: &MasterKeys) -> (Root, WrappedRoot) {
        let root = Root::draw(tenant(1), key_id(1), at(1_000), random);
        let wrapped = root.wrap(masters);
        (root, wrapped)
    }

    #[test]
    fn a_root_survives_wrapping() {
        let random = Seeded::new(1);
        let masters = MasterKeys::generate(&random);
        let (root, wrapped) = wrapped(&random, &masters);
        let again = wrapped.unwrap(&masters.prepend_new(&random)).expect("the older key is still there");
        assert_eq!(again.raw().expose(), root.raw().expose());
        assert_eq!(again.wrap(&masters).created_at, wrapped.created_at);
    }

    #[test]
    fn a_missing_master_is_named() {
        let random = Seeded::new(1);
        let masters = MasterKeys::generate(&random);
        let error = wrapped(&random, &masters).1.unwrap(&MasterKeys::generate(&random)).expect_err("refused");
        assert!(matches!(&error, KeyringError::MasterMissing { master_id, .. } if master_id == masters.newest_id()));
        assert!(error.hint().contains(masters.newest_id().as_str()));
    }

    #[test]
    fn a_root_moved_to_another_tenant_generation_or_master_does_not_open() {
        let random = Seeded::new(1);
        let masters = MasterKeys::generate(&random).prepend_new(&random);
        let (_, wrapped) = wrapped(&random, &masters);
        let older = masters.ids().nth(1).expect("two keys").clone();
        let mut cut = wrapped.token.clone();
        cut.pop();
        for moved in [
            WrappedRoot { tenant: tenant(2), ..wrapped.clone() },
            WrappedRoot { key_id: key_id(2), ..wrapped.clone() },
            WrappedRoot { master_id: older, ..wrapped.clone() },
            WrappedRoot { token: cut, ..wrapped.clone() },
        ] {
            assert!(matches!(moved.unwrap(&masters), Err(KeyringError::RootDoesNotOpen { .. })), "{moved:?}");
        }
    }

    #[test]
    fn a_root_prints_without_its_bytes() {
        let printed = format!("{:?}", Root::known(tenant(1), key_id(1), [77; 32]));
        assert!(printed.contains("********") && !printed.contains("77"), "{printed}");
    }
}
