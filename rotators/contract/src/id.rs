//! Identifiers: a short prefix that names the kind, and 128 bits in Crockford's base 32.
//!
//! The first 48 bits are milliseconds since 1970, the rest is random, so ids of one kind sort by their birth
//! (the layout of ULID, <https://github.com/ulid/spec>). Ids are never reused.

use std::fmt;

use chrono::{DateTime, Utc};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 26;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not an id of the form `{prefix}_` and 26 characters")]
pub struct IdError {
    prefix: &'static str,
    found: String,
}

fn encode(prefix: &str, at: DateTime<Utc>, random: [u8; 10]) -> String {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
    let tail = random.iter().fold(0_u128, |acc, byte| (acc << 8) | u128::from(*byte));
    let bits = (millis << 80) | tail;
    let digits = (0..DIGITS).map(|i| {
        let shift = 5 * (DIGITS - 1 - i);
        char::from(ALPHABET[usize::try_from((bits >> shift) & 31).expect("five bits fit")])
    });
    format!("{prefix}_{}", digits.collect::<String>())
}

fn parse(prefix: &'static str, text: &str) -> Result<String, IdError> {
    let tail = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_'));
    match tail {
        Some(tail) if tail.len() == DIGITS && tail.bytes().all(|b| ALPHABET.contains(&b)) => Ok(text.to_owned()),
        _ => Err(IdError { prefix, found: text.chars().take(64).collect() }),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The prefix that texts of this kind carry.
            pub const PREFIX: &'static str = $prefix;

            /// Makes a new id from the time of birth and 80 random bits.
            pub fn mint(at: DateTime<Utc>, random: [u8; 10]) -> Self {
                Self(encode($prefix, at, random))
            }

            /// Reads an id from its text.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                parse($prefix, text).map(Self)
            }

            /// The text of this id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id!(/// Names a tenant.
    TenantId, "ten");
id!(/// Names a secret.
    SecretId, "sec");
id!(/// Names one version of a secret, from its birth as a candidate on.
    VersionId, "ver");
id!(/// Names a target.
    TargetId, "tgt");
id!(/// Names one rotation; it is what a target sees of keywheel.
    RotationId, "rot");
id!(/// Names one planned fire or one request.
    OccurrenceId, "occ");
id!(/// Names one entry of the event table.
    EventId, "evt");
id!(/// Names a delivery.
    DeliveryId, "dlv");
id!(/// Names a document: a channel, a route, a silence, the expiry rules of a secret.
    DocumentId, "doc");
id!(/// Names a notice, over all its retries and channels.
    NoticeId, "ntc");
id!(/// Names one channel's part of a notice.
    SendId, "snd");
id!(/// Names a generation of a tenant's root.
    KeyId, "key");
id!(/// Names one life of one daemon process, the holder of claims.
    HolderId, "hld");
id!(/// Names a bearer token, which is never kept itself.
    TokenId, "tok");
id!(/// Names who acted: an identity, or the daemon itself.
    ActorId, "act");

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).expect("in range")
    }

    #[test]
    fn an_id_survives_its_text() {
        let id = RotationId::mint(at(1_700_000_000_000), [7; 10]);
        assert_eq!(RotationId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn ids_sort_by_birth() {
        assert!(SecretId::mint(at(1), [255; 10]) < SecretId::mint(at(2), [0; 10]));
    }

    #[test]
    fn another_kind_is_refused() {
        let id = RotationId::mint(at(0), [0; 10]);
        assert!(SecretId::parse(id.as_str()).is_err());
    }

    #[test]
    fn a_short_or_foreign_text_is_refused() {
        for text in ["", "rot_", "rot_0", "rot_0123456789abcdefghjkmnpqrU", "rot-01234567890123456789012345"] {
            assert!(RotationId::parse(text).is_err(), "{text}");
        }
    }
}
