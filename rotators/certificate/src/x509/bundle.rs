//! Bundles: a certificate with its chain and key in the forms that servers read, and certificates out of any form.

use keywheel_contract::SecretText;
use p12_keystore::{
    Certificate as P12Certificate, KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKey as P12Key, PrivateKeyChain,
};
use zeroize::Zeroizing;

use super::{
    Certificate, CertificateError, Issued, PrivateKey,
    der::{self, INTEGER, Item, OCTET_STRING, OID, SEQUENCE},
    limits::{MAX_BUNDLE_BYTES, MAX_BUNDLE_CERTIFICATES, MAX_DEPTH, MAX_ROUNDS},
};

/// Rounds of key derivation in what is written: what common programs read quickly; the password must be strong anyway.
const ROUNDS: u32 = 10_000;

/// Why a bundle cannot be read or written. Never repeats a password or key.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A certificate cannot be read.
    #[error("a certificate of the bundle is not usable")]
    Certificate(#[from] CertificateError),
    /// The input is a PKCS#12 file, and no password is given.
    #[error("the bundle is a PKCS#12 file and needs its password")]
    NoPassword,
    /// The file is damaged, of an unsupported kind, or the password is wrong.
    #[error("the PKCS#12 file cannot be opened: the password is wrong, or the file is damaged or too old")]
    Pkcs12,
    /// Opening the file would cost too much.
    #[error("the PKCS#12 file asks for more than {MAX_ROUNDS} rounds of key derivation")]
    TooCostly,
    /// The file could not be written.
    #[error("the PKCS#12 file could not be written")]
    Write,
}

impl BundleError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Certificate(error) => error.code(),
            Self::NoPassword => "bundle-password-missing",
            Self::Pkcs12 => "bundle-not-opened",
            Self::TooCostly => "bundle-too-costly",
            Self::Write => "bundle-not-written",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Certificate(error) => error.hint(),
            Self::NoPassword => "give the password of the file",
            Self::Pkcs12 => {
                "write it anew with AES: `openssl pkcs12 -in OLD -legacy | openssl pkcs12 -export -out NEW`"
            }
            Self::TooCostly => "write it anew with fewer rounds: `openssl pkcs12 -export -iter 10000`",
            Self::Write => "look at the certificate with `openssl x509 -noout -text`",
        }
    }
}

/// The leaf and its chain as PEM, without the root: what servers present.
pub fn full_chain_pem(issued: &Issued) -> String {
    std::iter::once(&issued.certificate).chain(&issued.chain).map(Certificate::pem).collect()
}

/// The leaf, its chain and the key as PEM in one file, as HAProxy and others read it.
pub fn combined_pem(issued: &Issued, key: &PrivateKey) -> SecretText {
    let (chain, key) = (full_chain_pem(issued), key.to_pem());
    let mut text = String::with_capacity(chain.len() + key.expose().len());
    text.extend([&*chain, key.expose()]);
    SecretText::new(text)
}

/// The leaf, its chain and the key as a PKCS#12 file (RFC 7292), encrypted with AES-256 and PBKDF2.
pub fn pkcs12(issued: &Issued, key: &PrivateKey, password: &SecretText) -> Result<Zeroizing<Vec<u8>>, BundleError> {
    pkcs12_of(issued, key, password, ROUNDS)
}

pub(super) fn pkcs12_of(
    issued: &Issued,
    key: &PrivateKey,
    password: &SecretText,
    rounds: u32,
) -> Result<Zeroizing<Vec<u8>>, BundleError> {
    let certificates: Result<Vec<_>, _> = std::iter::once(&issued.certificate)
        .chain(&issued.chain)
        .map(|certificate| P12Certificate::from_der(certificate.der()))
        .collect();
    let key = P12Key::from_der(key.expose_der()).map_err(|_| BundleError::Write)?;
    let facts = issued.certificate.facts();
    let alias = facts.common_name.as_ref().or(facts.names.first()).unwrap_or(&facts.serial);
    let id = ring::digest::digest(&ring::digest::SHA256, issued.certificate.der());
    let chain = PrivateKeyChain::new(id.as_ref(), key, certificates.map_err(|_| BundleError::Write)?);
    let mut store = KeyStore::new();
    store.add_entry(alias, KeyStoreEntry::PrivateKeyChain(chain));
    let writer = store.writer(password.expose()).encryption_iterations(rounds).mac_iterations(rounds);
    writer.write().map(Zeroizing::new).map_err(|_| BundleError::Write)
}

/// The certificates of a bundle in PEM, DER or PKCS#12, in their order. The password is needed for PKCS#12 alone.
pub fn read_any(bytes: &[u8], password: Option<&SecretText>) -> Result<Vec<Certificate>, BundleError> {
    if bytes.len() > MAX_BUNDLE_BYTES {
        return Err(CertificateError::TooLarge { most: MAX_BUNDLE_BYTES, found: bytes.len() }.into());
    }
    match first_tag(bytes) {
        Some(INTEGER) => read_pkcs12(bytes, password.ok_or(BundleError::NoPassword)?),
        Some(_) => Ok(vec![Certificate::from_der(bytes)?]),
        None => {
            let list = Certificate::list_bytes(bytes)?;
            if list.is_empty() { Err(CertificateError::NoCertificate.into()) } else { Ok(list) }
        }
    }
}

/// The tag of the first value in the outermost sequence, if the input begins with one: a certificate begins with
/// another sequence there, a PKCS#12 file with its version.
fn first_tag(bytes: &[u8]) -> Option<u8> {
    let (outer, _) = der::read(bytes)?;
    (outer.tag == SEQUENCE).then(|| outer.items().next().flatten().map_or(0, |first| first.tag))
}

fn read_pkcs12(bytes: &[u8], password: &SecretText) -> Result<Vec<Certificate>, BundleError> {
    match rounds_of(bytes) {
        Some(rounds) if rounds <= MAX_ROUNDS => {}
        Some(_) => return Err(BundleError::TooCostly),
        None => return Err(BundleError::Pkcs12),
    }
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.expose()).map_err(|_| BundleError::Pkcs12)?;
    if archive.certs.len() > MAX_BUNDLE_CERTIFICATES {
        return Err(CertificateError::TooMany.into());
    }
    let read = archive.certs.iter().map(|bag| Certificate::from_der(bag.cert.as_der()).map_err(BundleError::from));
    read.collect()
}

const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const SCRYPT: &[u8] = &[0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11];

/// The rounds that everything costs which can be seen before the file is opened; `None` if it is too deep or damaged.
fn rounds_of(bytes: &[u8]) -> Option<u64> {
    let (file, []) = der::read(bytes)? else { return None };
    let mac = file.items().nth(2).flatten().map_or(0, |mac| mac.items().nth(2).flatten().map_or(1, number));
    Some(mac.saturating_add(rounds_in(file, 1)?))
}

fn rounds_in(item: Item<'_>, depth: usize) -> Option<u64> {
    if depth > MAX_DEPTH {
        return None;
    }
    if item.tag == OCTET_STRING {
        // What stands in a string may be a value, or just bytes.
        return match der::read(item.contents) {
            Some((inner, [])) if inner.tag == SEQUENCE => rounds_in(inner, depth + 1),
            _ => Some(0),
        };
    }
    let own = match item.items().next().flatten() {
        Some(Item { tag: OID, contents: SCRYPT }) => u64::MAX,
        Some(Item { tag: OID, contents: PBKDF2 }) => {
            item.items().nth(1).flatten().and_then(|parameters| parameters.items().nth(1)?).map_or(0, number)
        }
        _ => 0,
    };
    item.items().try_fold(own, |sum, inner| Some(sum.saturating_add(rounds_in(inner?, depth + 1)?)))
}

fn number(item: Item<'_>) -> u64 {
    item.contents.iter().fold(0_u64, |sum, &octet| sum.saturating_mul(256).saturating_add(u64::from(octet)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::{
        KeyKind,
        testing::{World, key, now, openssl, write_bytes},
    };

    fn password() -> SecretText {
        SecretText::new("correct horse".into())
    }

    /// A leaf below an intermediate, and its key.
    fn leaf(kind: KeyKind) -> (Issued, PrivateKey) {
        let world = World::new(KeyKind::P256);
        let below = world.authority.create_intermediate(&World::request("Below"), &world.random, now()).expect("made");
        let key = key(kind);
        (below.issue(&World::leaf(), &key, &world.random, now()).expect("issued"), key)
    }

    #[test]
    fn openssl_opens_what_is_written_for_every_kind_of_key() {
        let folder = tempfile::tempdir().expect("a folder");
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519, KeyKind::Rsa2048] {
            let (issued, key) = leaf(kind);
            let file = write_bytes(&folder, "p12", &pkcs12(&issued, &key, &password()).expect("written"));
            let text = openssl(&["pkcs12", "-in", &file, "-nodes", "-passin", "pass:correct horse"], b"");
            assert_eq!(PrivateKey::from_pem(&text).expect("a key").public_key(), key.public_key());
            assert_eq!(Certificate::list_pem(&text).expect("read"), [issued.certificate, issued.chain[0].clone()]);
        }
    }

    #[test]
    fn what_openssl_writes_is_read() {
        let (issued, key) = leaf(KeyKind::P256);
        let folder = tempfile::tempdir().expect("a folder");
        let input = write_bytes(&folder, "in", combined_pem(&issued, &key).expose().as_bytes());
        let out = write_bytes(&folder, "out", b"");
        openssl(&["pkcs12", "-export", "-passout", "pass:correct horse", "-in", &input, "-out", &out], b"");
        let read = read_any(&std::fs::read(out).expect("read"), Some(&password())).expect("opened");
        assert!(read.contains(&issued.certificate) && read.contains(&issued.chain[0]));
    }

    #[test]
    fn one_door_reads_all_forms() {
        let (issued, key) = leaf(KeyKind::P256);
        let both = [issued.certificate.clone(), issued.chain[0].clone()];
        let sealed = pkcs12_of(&issued, &key, &password(), 10).expect("written");
        assert_eq!(read_any(full_chain_pem(&issued).as_bytes(), None).expect("read"), both);
        assert_eq!(read_any(combined_pem(&issued, &key).expose().as_bytes(), None).expect("read"), both);
        assert_eq!(read_any(issued.certificate.der(), None).expect("read"), both[..1]);
        assert_eq!(read_any(&sealed, Some(&password())).expect("read"), both);
    }

    #[test]
    fn what_is_no_bundle_is_refused_with_its_code() {
        let (issued, key) = leaf(KeyKind::P256);
        let sealed = pkcs12_of(&issued, &key, &password(), 10).expect("written");
        let costly = pkcs12_of(&issued, &key, &password(), 700_000).expect("written");
        let wrong = SecretText::new("wrong".into());
        let huge = vec![b'\n'; MAX_BUNDLE_BYTES + 1];
        for (bytes, password, code) in [
            (&sealed[..], None, "bundle-password-missing"),
            (&sealed, Some(&wrong), "bundle-not-opened"),
            (&costly, Some(&wrong), "bundle-too-costly"),
            (b"", None, "certificate-missing"),
            (b"hello", None, "certificate-missing"),
            (&huge, None, "certificate-too-large"),
            (&issued.certificate.der()[..99], None, "certificate-missing"),
        ] {
            assert_eq!(read_any(bytes, password).expect_err("refused").code(), code);
        }
    }
}
