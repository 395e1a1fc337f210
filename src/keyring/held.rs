//! The keyring in memory: for each tenant its roots by generation. The greatest key id seals, all of them open.
//!
//! Shared behind an `Arc` and changed at run time. The lock is held for a look-up only, never while a value is
//! sealed or opened and never across an `.await`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use keywheel_contract::{KeyId, TenantId};

use super::derive::MASK;
use super::{KeyringError, Root};

type Generations = BTreeMap<KeyId, Arc<Root>>;

/// The roots of all tenants.
#[derive(Default)]
pub struct Keyring {
    tenants: RwLock<HashMap<TenantId, Generations>>,
}

impl Keyring {
    /// An empty keyring.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a root. If its key id is the greatest of its tenant, it seals from now on, so it must be durable in the
    /// store before. Adding it again changes nothing.
    pub fn add(&self, root: Root) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.entry(root.tenant().clone()).or_default().insert(root.key_id().clone(), Arc::new(root));
    }

    /// Drops all roots of a tenant. What was sealed under them does not open any more.
    pub fn forget(&self, tenant: &TenantId) {
        self.tenants.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    /// Drops one older generation, once nothing is sealed under it; the newest stays. Says whether it was dropped.
    pub fn forget_generation(&self, tenant: &TenantId, key_id: &KeyId) -> bool {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let Some(roots) = tenants.get_mut(tenant) else { return false };
        let is_newest = roots.last_key_value().is_some_and(|(newest, _)| newest == key_id);
        !is_newest && roots.remove(key_id).is_some()
    }

    /// The generations of a tenant that are held, newest first.
    pub fn generations(&self, tenant: &TenantId) -> Vec<KeyId> {
        self.all(tenant).iter().map(|root| root.key_id().clone()).collect()
    }

    /// The roots of a tenant, newest first.
    pub(super) fn all(&self, tenant: &TenantId) -> Vec<Arc<Root>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.get(tenant).map(|roots| roots.values().rev().cloned().collect()).unwrap_or_default()
    }

    /// The root that seals.
    pub(super) fn newest(&self, tenant: &TenantId) -> Result<Arc<Root>, KeyringError> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let newest = tenants.get(tenant).and_then(|roots| roots.last_key_value()).map(|(_, root)| root.clone());
        newest.ok_or_else(|| KeyringError::NoRoot { tenant: tenant.clone() })
    }

    /// The root of one generation.
    pub(super) fn find(&self, tenant: &TenantId, key_id: &KeyId) -> Result<Arc<Root>, KeyringError> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        let Some(roots) = tenants.get(tenant) else { return Err(KeyringError::NoRoot { tenant: tenant.clone() }) };
        let missing = || KeyringError::RootMissing { tenant: tenant.clone(), key_id: key_id.clone() };
        roots.get(key_id).cloned().ok_or_else(missing)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{key_id, keyring, tenant};
    use super::*;

    #[test]
    fn the_order_of_adding_does_not_matter() {
        let keyring = keyring(&[(1, 2), (1, 3), (1, 1)]);
        assert_eq!(keyring.generations(&tenant(1)), [key_id(3), key_id(2), key_id(1)]);
        assert_eq!(keyring.newest(&tenant(1)).map(|root| root.key_id().clone()), Ok(key_id(3)));
    }

    #[test]
    fn forgetting_a_tenant_leaves_the_others() {
        let keyring = keyring(&[(1, 1), (2, 1)]);
        keyring.forget(&tenant(1));
        assert_eq!(keyring.newest(&tenant(1)).err(), Some(KeyringError::NoRoot { tenant: tenant(1) }));
        assert!(keyring.newest(&tenant(2)).is_ok());
    }

    #[test]
    fn the_newest_generation_cannot_be_forgotten_alone() {
        let keyring = keyring(&[(1, 1), (1, 2)]);
        assert!(!keyring.forget_generation(&tenant(1), &key_id(2)));
        assert!(keyring.forget_generation(&tenant(1), &key_id(1)));
        assert!(
            !keyring.forget_generation(&tenant(1), &key_id(1)) && !keyring.forget_generation(&tenant(9), &key_id(1))
        );
        assert_eq!(keyring.generations(&tenant(1)), [key_id(2)]);
    }

    #[test]
    fn a_generation_that_is_not_held_is_named() {
        let keyring = keyring(&[(1, 1)]);
        let error = keyring.find(&tenant(1), &key_id(7)).expect_err("not held");
        assert_eq!(error, KeyringError::RootMissing { tenant: tenant(1), key_id: key_id(7) });
    }

    #[test]
    fn a_keyring_prints_as_a_mask() {
        assert_eq!(format!("{:?}", keyring(&[(1, 1)])), MASK);
    }
}
