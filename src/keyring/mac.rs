//! Row MACs and keyed hashes: HMAC-SHA256 (RFC 2104) under keys derived from a tenant's root.
//!
//! A MAC proves that the columns of a row are those of *some* write; it passes on the row's older self. A
//! fingerprint tells whether two values are equal without opening either; a token hash finds a bearer token without
//! keeping it. Both change with the root, so the plural forms answer for every generation that is held.

use keywheel_contract::{KeyId, TenantId};
use ring::hmac;

use super::derive::{RawKey, hex, put_prefixed};
use super::{Keyring, KeyringError, Root};

const FORMAT: u8 = 1;
const FINGERPRINT_BYTES: usize = 16;

/// The columns of a row, encoded so that no two different rows are equal: sorted by name, each with its type and
/// the lengths of name and value. The id of the row must be one of them.
#[derive(Debug, Clone, Default)]
pub struct MacInput<'a> {
    columns: Vec<(&'a str, Value<'a>)>,
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> MacInput<'a> {
    /// A row without columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a column that is null.
    #[must_use]
    pub fn null(self, name: &'a str) -> Self {
        self.with(name, Value::Null)
    }

    /// Adds a whole number; times as microseconds, booleans as 0 and 1.
    #[must_use]
    pub fn int(self, name: &'a str, value: i64) -> Self {
        self.with(name, Value::Int(value))
    }

    /// Adds a text.
    #[must_use]
    pub fn text(self, name: &'a str, value: &'a str) -> Self {
        self.with(name, Value::Text(value))
    }

    /// Adds bytes.
    #[must_use]
    pub fn bytes(self, name: &'a str, value: &'a [u8]) -> Self {
        self.with(name, Value::Bytes(value))
    }

    /// Adds a whole number or null.
    #[must_use]
    pub fn maybe_int(self, name: &'a str, value: Option<i64>) -> Self {
        self.with(name, value.map_or(Value::Null, Value::Int))
    }

    /// Adds a text or null.
    #[must_use]
    pub fn maybe_text(self, name: &'a str, value: Option<&'a str>) -> Self {
        self.with(name, value.map_or(Value::Null, Value::Text))
    }

    /// Adds bytes or null.
    #[must_use]
    pub fn maybe_bytes(self, name: &'a str, value: Option<&'a [u8]>) -> Self {
        self.with(name, value.map_or(Value::Null, Value::Bytes))
    }

    fn with(mut self, name: &'a str, value: Value<'a>) -> Self {
        self.columns.push((name, value));
        self
    }

    fn encode(&self) -> Vec<u8> {
        let mut columns: Vec<_> = self.columns.iter().collect();
        columns.sort_by_key(|(name, _)| *name);
        let mut encoded = Vec::with_capacity(1024);
        for (name, value) in columns {
            put_prefixed(&mut encoded, name.as_bytes());
            let (kind, bytes) = match value {
                Value::Null => (0, &[][..]),
                Value::Int(number) => (1, &number.to_be_bytes()[..]),
                Value::Text(text) => (2, text.as_bytes()),
                Value::Bytes(bytes) => (3, *bytes),
            };
            encoded.push(kind);
            put_prefixed(&mut encoded, bytes);
        }
        encoded
    }
}

fn hmac_key(key: &RawKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.expose())
}

fn mac_key(root: &Root, table: &str) -> hmac::Key {
    hmac_key(&root.raw().derive("mac", &[root.tenant().as_str(), table]))
}

/// Splits a stored MAC into the generation of its root and its tag.
fn parts(mac: &[u8]) -> Option<(KeyId, &[u8])> {
    let (length, rest) = mac.strip_prefix(&[FORMAT])?.split_first_chunk::<4>()?;
    let (key_id, tag) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((KeyId::parse(std::str::from_utf8(key_id).ok()?).ok()?, tag))
}

impl Keyring {
    /// Makes the MAC of a row under the newest root: a format byte, the key id behind its length, 32 bytes of tag.
    ///
    /// Errors: `NoRoot`.
    pub fn mac(&self, tenant: &TenantId, table: &str, row: &MacInput<'_>) -> Result<Vec<u8>, KeyringError> {
        let root = self.newest(tenant)?;
        let mut mac = vec![FORMAT];
        put_prefixed(&mut mac, root.key_id().as_str().as_bytes());
        mac.extend_from_slice(hmac::sign(&mac_key(&root, table), &row.encode()).as_ref());
        Ok(mac)
    }

    /// Checks the MAC of a row, in constant time.
    ///
    /// Errors: `NoRoot`, `RootMissing`; `RowAltered` for whatever is wrong with row or MAC.
    pub fn verify_mac(
        &self,
        tenant: &TenantId,
        table: &str,
        row: &MacInput<'_>,
        mac: &[u8],
    ) -> Result<(), KeyringError> {
        let altered = || KeyringError::RowAltered { tenant: tenant.clone(), table: table.to_owned() };
        let (key_id, tag) = parts(mac).ok_or_else(altered)?;
        let root = self.find(tenant, &key_id)?;
        hmac::verify(&mac_key(&root, table), &row.encode(), tag).map_err(|_| altered())
    }

    /// The fingerprint of a value under the newest root: 32 hexadecimal digits. Fingerprints of different scopes
    /// (a secret's id, say) are never equal, so that nobody learns who shares a value.
    ///
    /// Errors: `NoRoot`.
    pub fn fingerprint(&self, tenant: &TenantId, scope: &str, value: &[u8]) -> Result<String, KeyringError> {
        Ok(fingerprint(&*self.newest(tenant)?, scope, value))
    }

    /// The fingerprints of a value under every root that is held, newest first: one of them is the stored one if
    /// the values are equal.
    pub fn fingerprints(&self, tenant: &TenantId, scope: &str, value: &[u8]) -> Vec<String> {
        self.all(tenant).iter().map(|root| fingerprint(root, scope, value)).collect()
    }

    /// The hash that a bearer token is stored under: 64 hexadecimal digits, by the newest root.
    ///
    /// Errors: `NoRoot`.
    pub fn token_hash(&self, tenant: &TenantId, token: &[u8]) -> Result<String, KeyringError> {
        Ok(token_hash(&*self.newest(tenant)?, token))
    }

    /// The hashes that a bearer token may be stored under, newest root first.
    pub fn token_hashes(&self, tenant: &TenantId, token: &[u8]) -> Vec<String> {
        self.all(tenant).iter().map(|root| token_hash(root, token)).collect()
    }
}

fn fingerprint(root: &Root, scope: &str, value: &[u8]) -> String {
    let key = root.raw().derive("fingerprint", &[root.tenant().as_str(), scope]);
    hex(&hmac::sign(&hmac_key(&key), value).as_ref()[..FINGERPRINT_BYTES])
}

fn token_hash(root: &Root, token: &[u8]) -> String {
    let key = root.raw().derive("token-hash", &[root.tenant().as_str()]);
    hex(hmac::sign(&hmac_key(&key), token).as_ref())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{add, keyring, tenant};
    use super::*;

    fn row<'a>() -> MacInput<'a> {
        MacInput::new().text("id", "sec_1").text("name", "billing/db").int("revision", 7).null("owner")
    }

    #[test]
    fn an_unchanged_row_verifies_whatever_the_order_of_its_columns() {
        let (tenant, keyring) = (tenant(1), keyring(&[(1, 1)]));
        let mac = keyring.mac(&tenant, "secret", &row()).expect("a root");
        let shuffled = MacInput::new().null("owner").int("revision", 7).text("name", "billing/db").text("id", "sec_1");
        assert_eq!(keyring.verify_mac(&tenant, "secret", &shuffled, &mac), Ok(()));
    }

    #[test]
    fn rows_that_look_alike_have_different_macs() {
        let rows = [
            MacInput::new(),
            MacInput::new().null("a"),
            MacInput::new().text("a", ""),
            MacInput::new().bytes("a", b""),
            MacInput::new().text("a", "b"),
            MacInput::new().bytes("a", b"b"),
            MacInput::new().text("ab", ""),
            MacInput::new().text("", "ab"),
            MacInput::new().text("a", "b").text("c", "d"),
            MacInput::new().text("a", "d").text("c", "b"),
            MacInput::new().text("a", "b").null("c"),
            MacInput::new().text("a", "b\0\0\0\u{1}c"),
            MacInput::new().int("a", 0),
            MacInput::new().int("a", -1),
            MacInput::new().bytes("a", &[0; 8]),
        ];
        let (tenant, keyring) = (tenant(1), keyring(&[(1, 1)]));
        for (i, one) in rows.iter().enumerate() {
            let mac = keyring.mac(&tenant, "secret", one).expect("a root");
            for (j, other) in rows.iter().enumerate() {
                assert_eq!(keyring.verify_mac(&tenant, "secret", other, &mac).is_ok(), i == j, "{i} {j}");
            }
        }
    }

    #[test]
    fn a_mac_of_another_table_tenant_or_generation_is_refused() {
        let keyring = keyring(&[(1, 1), (1, 2), (2, 2)]);
        let mac = keyring.mac(&tenant(1), "secret", &row()).expect("a root");
        assert!(keyring.verify_mac(&tenant(1), "secret", &row(), &mac).is_ok());
        assert!(keyring.verify_mac(&tenant(1), "target", &row(), &mac).is_err());
        assert!(keyring.verify_mac(&tenant(2), "secret", &row(), &mac).is_err());
        let other = [&mac[..5], super::super::tests::key_id(1).as_str().as_bytes(), &mac[35..]].concat();
        assert_eq!((other.len(), &other[35..]), (mac.len(), &mac[35..]));
        assert!(keyring.verify_mac(&tenant(1), "secret", &row(), &other).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_mac_is_refused() {
        let (tenant, keyring) = (tenant(1), keyring(&[(1, 1)]));
        let mac = keyring.mac(&tenant, "secret", &row()).expect("a root");
        for bit in 0..mac.len() * 8 {
            let mut flipped = mac.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(keyring.verify_mac(&tenant, "secret", &row(), &flipped).is_err(), "{bit}");
        }
        assert!((0..mac.len()).all(|end| keyring.verify_mac(&tenant, "secret", &row(), &mac[..end]).is_err()));
    }

    #[test]
    fn an_older_root_still_verifies() {
        let (tenant, keyring) = (tenant(1), keyring(&[(1, 1)]));
        let mac = keyring.mac(&tenant, "secret", &row()).expect("a root");
        add(&keyring, 1, 2);
        assert_eq!(keyring.verify_mac(&tenant, "secret", &row(), &mac), Ok(()));
        assert_ne!(keyring.mac(&tenant, "secret", &row()), Ok(mac));
    }

    #[test]
    fn fingerprints_tell_equal_values_within_one_scope_only() {
        let keyring = keyring(&[(1, 1), (2, 1)]);
        let of = |n, scope, value: &[u8]| keyring.fingerprint(&tenant(n), scope, value).expect("a root");
        assert_eq!(of(1, "sec_1", b"value"), of(1, "sec_1", b"value"));
        assert_eq!(of(1, "sec_1", b"value").len(), 32);
        for other in [of(1, "sec_1", b"other"), of(1, "sec_2", b"value"), of(2, "sec_1", b"value")] {
            assert_ne!(of(1, "sec_1", b"value"), other);
        }
    }

    #[test]
    fn stored_hashes_are_found_after_the_roots_rotate() {
        let (tenant, keyring) = (tenant(1), keyring(&[(1, 1)]));
        let hash = keyring.token_hash(&tenant, b"bearer").expect("a root");
        let print = keyring.fingerprint(&tenant, "sec_1", b"value").expect("a root");
        add(&keyring, 1, 2);
        assert_eq!(hash.len(), 64);
        assert_eq!(keyring.token_hashes(&tenant, b"bearer").get(1), Some(&hash));
        assert_eq!(keyring.fingerprints(&tenant, "sec_1", b"value").get(1), Some(&print));
        assert_eq!(
            keyring.token_hashes(&tenant, b"bearer").first(),
            keyring.token_hash(&tenant, b"bearer").ok().as_ref()
        );
    }
}
