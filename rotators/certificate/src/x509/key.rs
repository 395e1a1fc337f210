//! Private keys: made, read, written and used to sign.
//!
//! A key's DER is wiped when it is dropped, and no output but its own PEM and DER shows it. What the signing library
//! holds beside that is not wiped. A key is read back in the one form PKCS#8, which every program understands.

use std::fmt;

use keywheel_contract::SecretText;
use rcgen::{CertificateParams, KeyPair, PublicKeyData, SignatureAlgorithm, SigningKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::{RsaPool, SubjectName, issue, key_formats, pem};

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
pub enum KeyKind {
    /// ECDSA on P-256 with SHA-256: understood everywhere, and fast.
    #[default]
    #[serde(rename = "p256")]
    P256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "p384")]
    P384,
    /// Ed25519; browsers do not take it in certificates.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// RSA with 2048 bits and SHA-256.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA with 3072 bits and SHA-256.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA with 4096 bits and SHA-256.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl KeyKind {
    /// All of them, the default first.
    pub const ALL: [Self; 6] = [Self::P256, Self::P384, Self::Ed25519, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// As settings name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// The bits of an RSA key; `None` for other kinds.
    pub fn rsa_bits(self) -> Option<usize> {
        match self {
            Self::Rsa2048 => Some(2048),
            Self::Rsa3072 => Some(3072),
            Self::Rsa4096 => Some(4096),
            Self::P256 | Self::P384 | Self::Ed25519 => None,
        }
    }

    pub(super) fn algorithm(self) -> &'static SignatureAlgorithm {
        match self {
            Self::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Ed25519 => &rcgen::PKCS_ED25519,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there is no key. Never repeats what was given.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gave no randomness, or the library no key.
    #[error("a key of kind {kind} could not be made")]
    Generate {
        /// What was asked for.
        kind: KeyKind,
    },
    /// The text holds no private key, or a damaged one.
    #[error("the text holds no private key in PEM")]
    NotPem,
    /// The key is behind a passphrase.
    #[error("the private key is encrypted with a passphrase")]
    Encrypted,
    /// The text is larger than a key can be.
    #[error("the private key is larger than {most} bytes")]
    TooLarge {
        /// The bound.
        most: usize,
    },
    /// The key is of a kind that is not supported, or its parts do not fit each other.
    #[error("the private key is not of a supported kind, or damaged")]
    Unsupported,
    /// The material has no private key.
    #[error("the secret's value has no field `private_key`")]
    Missing,
    /// The request could not be written.
    #[error("the signing request could not be made")]
    Request(#[source] rcgen::Error),
}

impl KeyError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Generate { .. } => "key-not-made",
            Self::NotPem => "key-not-pem",
            Self::Encrypted => "key-encrypted",
            Self::TooLarge { .. } => "key-too-large",
            Self::Unsupported => "key-unsupported",
            Self::Missing => "key-missing",
            Self::Request(_) => "key-request-not-made",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Generate { .. } => "look whether the system has randomness, then try again",
            Self::NotPem => "give the key as PEM: PKCS#8, SEC1 or PKCS#1",
            Self::Encrypted => "take the passphrase off with `openssl pkey -in KEY -out PLAIN`",
            Self::TooLarge { .. } => "give the one key alone",
            Self::Unsupported => {
                "use P-256, P-384, Ed25519 or RSA with 2048, 3072 or 4096 bits; `openssl pkey -in KEY` writes it anew"
            }
            Self::Missing => "look at the secret's version: it was not made by this rotator",
            Self::Request(_) => "look at the names of the request",
        }
    }
}

/// A private key. Its DER is wiped when it is dropped.
pub struct PrivateKey {
    kind: KeyKind,
    pair: KeyPair,
}

impl PrivateKey {
    /// Makes a key. RSA keys come from the [`RsaPool`] if it has one ready, and take up to seconds otherwise.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        if kind.rsa_bits().is_some() {
            return Self::from_pkcs8(kind, &RsaPool::shared().take(kind)?);
        }
        let pair = KeyPair::generate_for(kind.algorithm()).map_err(|_| KeyError::Generate { kind })?;
        match kind {
            // The library writes Ed25519 keys in version 2 of PKCS#8, which OpenSSL does not read.
            KeyKind::Ed25519 => {
                let made = Self { kind, pair };
                let der = key_formats::ed25519_version_1(made.expose_der()).ok_or(KeyError::Generate { kind })?;
                Self::from_pkcs8(kind, &der)
            }
            _ => Ok(Self { kind, pair }),
        }
    }

    /// Reads the first private key of a text: PKCS#8, SEC1 or PKCS#1. Other blocks are passed over.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        key_formats::pkcs8_of_pem(text).and_then(|der| Self::from_pkcs8_der(&der))
    }

    /// Reads a key from PKCS#8.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let kinds = key_formats::kinds_of_pkcs8(der).ok_or(KeyError::Unsupported)?;
        kinds.iter().find_map(|&kind| Self::from_pkcs8(kind, der).ok()).ok_or(KeyError::Unsupported)
    }

    fn from_pkcs8(kind: KeyKind, der: &[u8]) -> Result<Self, KeyError> {
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der.into(), kind.algorithm());
        let key = Self { kind, pair: pair.map_err(|_| KeyError::Unsupported)? };
        let fits = kind.rsa_bits() == key_formats::rsa_bits_of(kind, key.public_key());
        if fits { Ok(key) } else { Err(KeyError::Unsupported) }
    }

    /// Its kind.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key as PKCS#8 in PEM.
    pub fn to_pem(&self) -> SecretText {
        SecretText::new(pem::encode("PRIVATE KEY", self.expose_der()))
    }

    /// The key as PKCS#8 in DER: together with [`Self::to_pem`] the one door to it.
    pub fn expose_der(&self) -> &[u8] {
        self.pair.serialized_der()
    }

    /// The bits of the public key, as they stand in a certificate.
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key_raw()
    }

    /// A signed request (PKCS#10) for the names, as DER.
    pub fn csr_der(&self, names: &[SubjectName], common_name: Option<&str>) -> Result<Vec<u8>, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = issue::distinguished_name(common_name, None);
        params.subject_alt_names = issue::alternative_names(names).map_err(KeyError::Request)?;
        let request = params.serialize_request(self).map_err(KeyError::Request)?;
        Ok(request.der().to_vec())
    }

    /// The request of [`Self::csr_der`] as PEM.
    pub fn csr_pem(&self, names: &[SubjectName], common_name: Option<&str>) -> Result<String, KeyError> {
        self.csr_der(names, common_name).map(|der| pem::encode("CERTIFICATE REQUEST", &der))
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ***)", self.kind)
    }
}

impl PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        self.pair.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        PublicKeyData::algorithm(&self.pair)
    }
}

impl SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.pair.sign(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::testing::{key, openssl};

    #[test]
    fn every_kind_is_made_written_and_read_again() {
        for kind in KeyKind::ALL {
            let key = key(kind);
            let read = PrivateKey::from_pem(key.to_pem().expose()).expect("it can be read");
            assert_eq!((read.kind(), read.public_key()), (kind, key.public_key()));
        }
    }

    #[test]
    fn openssl_finds_every_kind_sound() {
        for kind in KeyKind::ALL {
            let key = key(kind);
            let text = openssl(&["pkey", "-check", "-noout"], key.to_pem().expose().as_bytes());
            // Ed25519 has no check in OpenSSL 3.0 for keys alone; reading it is what can be shown.
            assert!(text.contains("valid") || kind == KeyKind::Ed25519, "{kind}: {text}");
        }
    }

    #[test]
    fn what_openssl_makes_in_any_form_is_read() {
        for (arguments, kind) in [
            (&["ecparam", "-name", "prime256v1", "-genkey"][..], KeyKind::P256),
            (&["ecparam", "-name", "secp384r1", "-genkey", "-noout"], KeyKind::P384),
            (&["genpkey", "-algorithm", "ed25519"], KeyKind::Ed25519),
            (&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], KeyKind::P256),
            (&["genrsa", "-traditional", "2048"], KeyKind::Rsa2048),
            (&["genrsa", "2048"], KeyKind::Rsa2048),
        ] {
            let text = openssl(arguments, b"");
            assert_eq!(PrivateKey::from_pem(&text).map(|key| key.kind()).expect("it is read"), kind, "{arguments:?}");
        }
    }

    #[test]
    fn what_is_no_key_for_us_is_refused_with_its_code() {
        let encrypted = openssl(&["genpkey", "-algorithm", "ed25519", "-aes-256-cbc", "-pass", "pass:x"], b"");
        let legacy = openssl(&["genrsa", "-traditional", "-aes128", "-passout", "pass:xxxx", "2048"], b"");
        let odd = openssl(&["ecparam", "-name", "secp521r1", "-genkey", "-noout"], b"");
        let weak = openssl(&["genrsa", "1024"], b"");
        let uneven = openssl(&["genrsa", "2560"], b"");
        for (text, code) in [
            ("", "key-not-pem"),
            ("hello", "key-not-pem"),
            (&*encrypted, "key-encrypted"),
            (&*legacy, "key-encrypted"),
            (&*odd, "key-unsupported"),
            (&*weak, "key-unsupported"),
            (&*uneven, "key-unsupported"),
            ("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----", "key-unsupported"),
            ("-----BEGIN PRIVATE KEY-----\nMAA=\n", "key-not-pem"),
            (&"x".repeat(1 << 20), "key-too-large"),
        ] {
            assert_eq!(PrivateKey::from_pem(text).expect_err("refused").code(), code);
        }
    }

    #[test]
    fn openssl_reads_the_request_and_finds_its_signature_sound() {
        let names =
            [SubjectName::parse("shop.example.org").expect("a name"), SubjectName::parse("10.0.0.1").expect("a name")];
        let key = key(KeyKind::P256);
        let pem = key.csr_pem(&names, Some("shop.example.org")).expect("a request");
        let text = openssl(&["req", "-verify", "-noout", "-text"], pem.as_bytes());
        assert!(text.contains("DNS:shop.example.org, IP Address:10.0.0.1"), "{text}");
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = key(KeyKind::P256);
        assert_eq!(format!("{key:?} {:?}", key.to_pem()), "PrivateKey(p256, ***) ********");
    }

    #[test]
    fn kinds_are_named_alike_in_json_and_text() {
        for kind in KeyKind::ALL {
            assert_eq!(serde_json::to_string(&kind).expect("JSON"), format!("\"{kind}\""));
        }
    }
}
