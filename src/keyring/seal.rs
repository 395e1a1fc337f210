//! Sealing and opening one column of one row.
//!
//! The key is HKDF-SHA256(root; `record`, tenant, table, row, column), and the envelope repeats these and the key
//! id. A token opens where it was sealed and nowhere else; an older token of the same column does open: that is
//! what the row's MAC and the events are for.

use std::fmt;

use chrono::{DateTime, Utc};
use keywheel_contract::{KeyId, TenantId};
use zeroize::Zeroizing;

use super::{Keyring, KeyringError, Opened, token};

const PURPOSE: &str = "record";

/// Where a value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Whose value it is.
    pub tenant: &'a TenantId,
    /// The table.
    pub table: &'a str,
    /// The id of the row, which is never used again.
    pub row: &'a str,
    /// The column.
    pub column: &'a str,
}

impl Place<'_> {
    fn names(&self) -> [&str; 4] {
        [self.tenant.as_str(), self.table, self.row, self.column]
    }

    fn labels<'b>(&'b self, key_id: &'b KeyId) -> [&'b str; 6] {
        let [tenant, table, row, column] = self.names();
        [PURPOSE, tenant, table, row, column, key_id.as_str()]
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, table, row, column } = self;
        write!(f, "column `{column}` of row `{row}` of `{table}` of tenant `{tenant}`")
    }
}

/// A sealed value, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The generation of the root it is sealed under.
    pub key_id: KeyId,
    /// A format byte and a Fernet token.
    pub token: Vec<u8>,
}

impl Keyring {
    /// The largest value that is sealed: 16 MiB.
    pub const MAX_BYTES: usize = 16 << 20;

    /// Seals a value for one place under the newest root of its tenant. `at` is kept inside, in microseconds.
    ///
    /// Errors: `NoRoot`, `TooLarge`.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8], at: DateTime<Utc>) -> Result<Sealed, KeyringError> {
        if plain.len() > Self::MAX_BYTES {
            return Err(KeyringError::TooLarge { found: plain.len(), limit: Self::MAX_BYTES });
        }
        let root = self.newest(place.tenant)?;
        let key = root.raw().derive(PURPOSE, &place.names());
        let token = token::make(&key, &place.labels(root.key_id()), at, plain);
        Ok(Sealed { key_id: root.key_id().clone(), token })
    }

    /// Opens what was sealed at this place, whatever the clock says.
    ///
    /// Errors: `NoRoot`, `RootMissing`; `DoesNotOpen` for whatever is wrong with the token.
    pub fn open(&self, place: &Place<'_>, key_id: &KeyId, token: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        self.open_dated(place, key_id, token).map(|opened| opened.plain)
    }

    /// Opens what was sealed at this place and says when that was. Errors as [`Keyring::open`].
    pub fn open_dated(&self, place: &Place<'_>, key_id: &KeyId, token: &[u8]) -> Result<Opened, KeyringError> {
        let root = self.find(place.tenant, key_id)?;
        let key = root.raw().derive(PURPOSE, &place.names());
        let opened = token::open(&key, &place.labels(key_id), token);
        opened.ok_or_else(|| KeyringError::DoesNotOpen { place: place.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, key_id, keyring, tenant};
    use super::*;

    fn place(tenant: &TenantId) -> Place<'_> {
        Place { tenant, table: "version", row: "ver_1", column: "value" }
    }

    #[test]
    fn the_newest_root_seals_and_older_ones_open() {
        let tenant = tenant(1);
        let keyring = keyring(&[(1, 1)]);
        let old = keyring.seal(&place(&tenant), b"value", at(1)).expect("sealed");
        super::super::tests::add(&keyring, 1, 2);
        let new = keyring.seal(&place(&tenant), b"value", at(2)).expect("sealed");
        assert_eq!((&old.key_id, &new.key_id), (&key_id(1), &key_id(2)));
        for sealed in [old, new] {
            let opened = keyring.open(&place(&tenant), &sealed.key_id, &sealed.token).expect("opens");
            assert_eq!(&opened[..], b"value");
        }
    }

    #[test]
    fn a_value_opens_whatever_the_clock_said_when_it_was_sealed() {
        let (tenant, keyring) = (tenant(1), keyring(&[(1, 1)]));
        for seconds in [0, 2_147_483_648, 4_294_967_296, -1_000_000] {
            let sealed = keyring.seal(&place(&tenant), b"value", at(seconds)).expect("sealed");
            let opened = keyring.open_dated(&place(&tenant), &sealed.key_id, &sealed.token).expect("opens");
            assert_eq!((&opened.plain[..], opened.sealed_at), (&b"value"[..], at(seconds)));
        }
    }

    #[test]
    fn a_refusal_names_the_place_and_not_the_content() {
        let (tenant, keyring) = (tenant(1), keyring(&[(1, 1)]));
        let error = keyring.open(&place(&tenant), &key_id(1), b"\x01canary").expect_err("refused");
        assert!(error.to_string().contains("`value` of row `ver_1`") && !error.to_string().contains("canary"));
    }

    #[test]
    fn values_of_nearby_lengths_have_tokens_of_one_length() {
        let (tenant, keyring) = (tenant(1), keyring(&[(1, 1)]));
        let lengths = (0..256).map(|n| keyring.seal(&place(&tenant), &vec![0; n], at(0)).expect("sealed").token.len());
        assert!(lengths.collect::<std::collections::BTreeSet<_>>().len() <= 5);
    }

    #[test]
    fn a_tenant_without_a_root_cannot_seal() {
        let error = Keyring::new().seal(&place(&tenant(1)), b"value", at(0)).expect_err("no root");
        assert_eq!(error, KeyringError::NoRoot { tenant: tenant(1) });
    }

    #[test]
    fn a_value_over_the_limit_is_refused() {
        let plain = vec![0; Keyring::MAX_BYTES + 1];
        let error = keyring(&[(1, 1)]).seal(&place(&tenant(1)), &plain, at(0)).expect_err("too large");
        assert_eq!(error, KeyringError::TooLarge { found: plain.len(), limit: Keyring::MAX_BYTES });
    }
}
