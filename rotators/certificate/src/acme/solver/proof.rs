//! What is shown, and the interface of those who show it.

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use instant_acme::{ChallengeType, KeyAuthorization};
use ring::digest::{SHA256, digest};

use crate::acme::AcmeError;

/// The ways to show that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// A text at a path of the name's web server, on port 80.
    Http01,
    /// A certificate in a handshake on port 443.
    TlsAlpn01,
    /// A TXT record below the name.
    Dns01,
}

impl Challenge {
    pub(in crate::acme) fn is_dns(self) -> bool {
        self == Self::Dns01
    }

    pub(in crate::acme) fn as_instant(self) -> ChallengeType {
        match self {
            Self::Http01 => ChallengeType::Http01,
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Self::Dns01 => ChallengeType::Dns01,
        }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        })
    }
}

/// What proves one name. Public as soon as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    name: String,
    token: String,
    text: String,
}

impl Proof {
    /// Takes what an authority asks for; refuses a token that is no base64url text, for it becomes a file's name.
    pub(in crate::acme) fn new(name: &str, token: &str, key: &KeyAuthorization) -> Result<Self, AcmeError> {
        Self::of(name, token, key.as_str())
    }

    pub(crate) fn of(name: &str, token: &str, text: &str) -> Result<Self, AcmeError> {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        if token.is_empty() || token.len() > 128 || !token.chars().all(is_letter) {
            return Err(AcmeError::garbled("authorization", "the challenge's token is no base64url text"));
        }
        let name = name.trim_start_matches("*.").to_owned();
        Ok(Self { name, token: token.to_owned(), text: text.to_owned() })
    }

    /// The name or address that is proven, without a wildcard's star.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The token: letters, digits, `-` and `_`.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What http-01 shows: the key authorization.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What tls-alpn-01 shows: the digest of the key authorization.
    pub fn digest(&self) -> [u8; 32] {
        digest(&SHA256, self.text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// What dns-01 shows.
    pub fn txt_value(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.digest())
    }

    /// Where dns-01 shows it, without a dot at the end.
    pub fn txt_name(&self) -> String {
        format!("_acme-challenge.{}", self.name)
    }

    /// The server name that a tls-alpn-01 handshake asks for; of an address, its name in the reverse tree (RFC 8738).
    pub fn server_name(&self) -> String {
        match self.name.parse() {
            Ok(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            Ok(IpAddr::V6(address)) => {
                let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
                let labels: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
                format!("{}.ip6.arpa", labels.join("."))
            }
            Err(_) => self.name.to_ascii_lowercase(),
        }
    }
}

/// Shows proofs.
#[async_trait]
pub trait Solver: Send + Sync {
    /// Which challenge it meets.
    fn challenge(&self) -> Challenge;

    /// Shows all proofs of one order at once, and answers when an authority may look. Shows none if it fails.
    async fn present(&self, proofs: &[Proof]) -> Result<Box<dyn Presented>, AcmeError>;
}

/// Proofs that are shown. Dropped, it takes away what it can without waiting.
#[async_trait]
pub trait Presented: Send {
    /// Takes the proofs away. What cannot be taken away stays, and does no harm: a proof is of use once.
    async fn withdraw(self: Box<Self>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_shown_in_each_challenges_own_form() {
        let proof = Proof::of("*.example.org", "tok-en_1", "tok-en_1.thumb").expect("a proof");
        assert_eq!((proof.name(), proof.txt_name().as_str()), ("example.org", "_acme-challenge.example.org"));
        assert_eq!(proof.txt_value().len(), 43);
        assert_eq!(proof.server_name(), "example.org");
    }

    #[test]
    fn addresses_are_asked_for_by_their_name_in_the_reverse_tree() {
        let name = |text| Proof::of(text, "t", "t.x").expect("a proof").server_name();
        assert_eq!(name("192.0.2.1"), "1.2.0.192.in-addr.arpa");
        let six = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(name("2001:db8::1"), six);
    }

    #[test]
    fn a_token_that_could_lead_elsewhere_is_refused() {
        for odd in ["", "../x", "a/b", "a.b", "a\0", &"a".repeat(129)] {
            assert!(Proof::of("example.org", odd, "x").is_err(), "{odd:?}");
        }
    }
}
