//! Raw keys and how one is derived from another: HKDF-SHA256 (RFC 5869) without salt.
//!
//! The info string is a list of texts, each behind its length as four big-endian bytes, so that no two different
//! lists are equal: `keywheel/v1`, the purpose, then what names the place.

use std::fmt;

use keywheel_contract::Random;
use ring::hkdf;
use zeroize::Zeroizing;

/// What every key prints as.
pub(super) const MASK: &str = "********";

const CONTEXT: &str = "keywheel/v1";

/// Appends a byte string behind its length as four big-endian bytes.
pub(super) fn put_prefixed(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("names and columns are far below 4 GiB");
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(bytes);
}

/// Writes bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

/// A 32-byte key, kept in one place on the heap and wiped when dropped.
#[derive(Clone)]
pub(super) struct RawKey(Box<Zeroizing<[u8; 32]>>);

impl RawKey {
    fn blank() -> Self {
        Self(Box::new(Zeroizing::new([0; 32])))
    }

    /// Draws a new key.
    pub(super) fn draw(random: &dyn Random) -> Self {
        let mut key = Self::blank();
        random.fill(&mut key.0[..]);
        key
    }

    /// Copies a key from a slice of 32 bytes; `None` for any other length.
    pub(super) fn copied(bytes: &[u8]) -> Option<Self> {
        let mut key = Self::blank();
        (bytes.len() == key.0.len()).then(|| {
            key.0.copy_from_slice(bytes);
            key
        })
    }

    /// The bytes of this key: the one door to them.
    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Derives the key for one purpose at one place.
    pub(super) fn derive(&self, purpose: &str, place: &[&str]) -> Self {
        let info = info(purpose, place);
        let info = [info.as_slice()];
        let mut key = Self::blank();
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(self.expose())
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key.0[..]))
            .expect("HKDF-SHA256 gives 32 bytes");
        key
    }
}

fn info(purpose: &str, place: &[&str]) -> Vec<u8> {
    let mut info = Vec::with_capacity(256);
    for part in [CONTEXT, purpose].iter().chain(place) {
        put_prefixed(&mut info, part.as_bytes());
    }
    info
}

impl fmt::Debug for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> RawKey {
        RawKey::copied(&[byte; 32]).expect("32 bytes")
    }

    #[test]
    fn moving_a_letter_between_neighbours_changes_the_key() {
        let keys = [
            key(1).derive("record", &["ab", "c"]),
            key(1).derive("record", &["a", "bc"]),
            key(1).derive("record", &["abc"]),
            key(1).derive("record", &["ab", "c", ""]),
            key(1).derive("recorda", &["b", "c"]),
            key(2).derive("record", &["ab", "c"]),
        ];
        for (i, one) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|other| one.expose() != other.expose()), "{i}");
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        assert!(RawKey::copied(&[1; 31]).is_none() && RawKey::copied(&[1; 33]).is_none());
    }

    #[test]
    fn a_key_prints_as_a_mask() {
        assert_eq!(format!("{:?}", key(7)), MASK);
    }

    #[test]
    fn hexadecimal_keeps_leading_zeros() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
