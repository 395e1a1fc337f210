//! What can go wrong with roots, tokens and MACs. No error repeats a byte of what it could not open.

use keywheel_contract::{KeyId, TenantId};

use super::MasterId;

/// Why the keyring refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No root of the tenant is held: it was never made, was destroyed, or is not loaded yet.
    #[error("no root of tenant `{tenant}` is loaded")]
    NoRoot {
        /// Whose root is asked for.
        tenant: TenantId,
    },
    /// The tenant has roots, but not the generation that was asked for; perhaps another replica has just made it.
    #[error("root `{key_id}` of tenant `{tenant}` is not loaded")]
    RootMissing {
        /// Whose root is asked for.
        tenant: TenantId,
        /// The generation that is not held.
        key_id: KeyId,
    },
    /// A stored value is not what was sealed at this place: altered, moved, or cut.
    #[error("the value at {place} does not open: it was altered, or was not sealed for this place")]
    DoesNotOpen {
        /// The place, as [`super::Place`] displays.
        place: String,
    },
    /// A row is not what was written: a column or its MAC was altered.
    #[error("a row of `{table}` of tenant `{tenant}` does not carry a valid MAC")]
    RowAltered {
        /// Whose row it is.
        tenant: TenantId,
        /// The table of the row.
        table: String,
    },
    /// A value is longer than can be sealed.
    #[error("a sealed value must be at most {limit} bytes, found {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes permitted.
        limit: usize,
    },
    /// The master key that wraps a root is not among those that were loaded.
    #[error("root `{key_id}` of tenant `{tenant}` is wrapped by master key `{master_id}`, which is not loaded")]
    MasterMissing {
        /// Whose root it is.
        tenant: TenantId,
        /// The generation of the root.
        key_id: KeyId,
        /// The master key that is needed.
        master_id: MasterId,
    },
    /// A wrapped root was altered, or belongs to another tenant or generation.
    #[error("root `{key_id}` of tenant `{tenant}` does not open under master key `{master_id}`: it was altered")]
    RootDoesNotOpen {
        /// Whose root it is.
        tenant: TenantId,
        /// The generation of the root.
        key_id: KeyId,
        /// The master key it was tried with.
        master_id: MasterId,
    },
    /// A new generation would sort before the one in use, so it would never seal.
    #[error("a new root would sort before root `{newest}`: the clock stands before that root's birth")]
    ClockBehind {
        /// The newest generation so far.
        newest: KeyId,
    },
}

impl KeyringError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoRoot { .. } => "keyring-no-root",
            Self::RootMissing { .. } => "keyring-root-missing",
            Self::DoesNotOpen { .. } => "keyring-value-does-not-open",
            Self::RowAltered { .. } => "keyring-row-altered",
            Self::TooLarge { .. } => "keyring-value-too-large",
            Self::MasterMissing { .. } => "keyring-master-missing",
            Self::RootDoesNotOpen { .. } => "keyring-root-does-not-open",
            Self::ClockBehind { .. } => "keyring-clock-behind",
        }
    }

    /// What an operator does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoRoot { .. } | Self::RootMissing { .. } => {
                "restart the daemon to load all roots; if that does not help, the tenant was destroyed or the store \
                 is older than its rows"
                    .to_owned()
            }
            Self::DoesNotOpen { .. } | Self::RowAltered { .. } | Self::RootDoesNotOpen { .. } => {
                "treat the store as tampered with or damaged: run `keywheel doctor`, and restore the row from a backup"
                    .to_owned()
            }
            Self::TooLarge { limit, .. } => format!("store a value of at most {limit} bytes, or a reference to it"),
            Self::MasterMissing { master_id, .. } => {
                format!("add the line of master key `{master_id}` below the newest one, from where it was kept")
            }
            Self::ClockBehind { .. } => "set the clock of this machine, then rotate the roots again".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_code_of_its_own_and_a_hint() {
        let tenant = TenantId::mint(chrono::DateTime::UNIX_EPOCH, [1; 10]);
        let key_id = KeyId::mint(chrono::DateTime::UNIX_EPOCH, [1; 10]);
        let master_id = MasterId::parse("0123456789abcdef").expect("an id");
        let errors = [
            KeyringError::NoRoot { tenant: tenant.clone() },
            KeyringError::RootMissing { tenant: tenant.clone(), key_id: key_id.clone() },
            KeyringError::DoesNotOpen { place: "p".into() },
            KeyringError::RowAltered { tenant: tenant.clone(), table: "t".into() },
            KeyringError::TooLarge { found: 2, limit: 1 },
            KeyringError::MasterMissing {
                tenant: tenant.clone(),
                key_id: key_id.clone(),
                master_id: master_id.clone(),
            },
            KeyringError::RootDoesNotOpen { tenant, key_id: key_id.clone(), master_id },
            KeyringError::ClockBehind { newest: key_id },
        ];
        let codes: std::collections::BTreeSet<_> = errors.iter().map(KeyringError::code).collect();
        assert_eq!(codes.len(), errors.len());
        for error in &errors {
            assert!(error.to_string().starts_with(char::is_lowercase) && !error.to_string().ends_with('.'), "{error}");
            assert!(!error.hint().is_empty());
        }
    }
}
