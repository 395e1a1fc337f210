//! Bundles: a certificate with its chain and key in the forms that servers read, and certificates out of any form.
//!
//! What is given out is wiped when dropped; the library that writes and reads PKCS#12 keeps copies that are not.

use keywheel_contract::SecretText;
use p12_keystore::{
    Certificate as P12Certificate, KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKey as P12Key, PrivateKeyChain,
};
use zeroize::Zeroizing;

use super::{
    Certificate, CertificateError, Issued, PrivateKey,
    der::{self, INTEGER, Item, OCTET_STRING, OID, SEQUENCE},
    limits::{MAX_BUNDLE_BYTES, MAX_BUNDLE_CERTIFICATES, MAX_DEPTH, MAX_ROUNDS, MAX_VALUES},
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
    // The name of an entry is written in UCS-2, which has no room for some characters.
    let is_ucs2 = |name: &&String| name.chars().all(|symbol| u32::from(symbol) < 0x1_0000);
    let alias = facts.common_name.as_ref().filter(is_ucs2).or(facts.names.first()).unwrap_or(&facts.serial);
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

/// The rounds that everything costs which can be seen before the file is opened; `None` if it is too deep, too long or
/// damaged.
fn rounds_of(bytes: &[u8]) -> Option<u64> {
    let (file, []) = der::read(bytes)? else { return None };
    let mac = file.items().nth(2).flatten().map_or(0, |mac| mac.items().nth(2).flatten().map_or(1, number));
    Some(mac.saturating_add(rounds_in(file, 1, &mut 0)?))
}

fn rounds_in(item: Item<'_>, depth: usize, seen: &mut u32) -> Option<u64> {
    *seen += 1;
    if depth > MAX_DEPTH || *seen > MAX_VALUES {
        return None;
    }
    if item.tag == OCTET_STRING {
        // What stands in a string may be a value, or just bytes.
        return match der::read(item.contents) {
            Some((inner, [])) if inner.tag == SEQUENCE => rounds_in(inner, depth + 1, seen),
            _ => Some(0),
        };
    }
    item.items().try_fold(own_rounds(item), |sum, inner| Some(sum.saturating_add(rounds_in(inner?, depth + 1, seen)?)))
}

/// The rounds that the value asks for itself, if it names a way to derive a key.
fn own_rounds(item: Item<'_>) -> u64 {
    match item.items().next().flatten() {
        Some(Item { tag: OID, contents: SCRYPT }) => u64::MAX,
        Some(Item { tag: OID, contents: PBKDF2 }) => {
            item.items().nth(1).flatten().and_then(|parameters| parameters.items().nth(1)?).map_or(0, number)
        }
        _ => 0,
    }
}

fn number(item: Item<'_>) -> u64 {
    item.contents.iter().fold(0_u64, |sum, &octet| sum.saturating_mul(256).saturating_add(u64::from(octet)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::{
        KeyKind, LeafRequest,
        testing::{World, key, now, openssl, verified_by_openssl, write_bytes},
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
    fn a_leaf_with_any_subject_or_none_is_written() {
        let (world, key) = (World::new(KeyKind::P256), key(KeyKind::P256));
        for common_name in [None, Some("läden \u{1f600}".to_owned())] {
            let asked = LeafRequest { common_name, organisation: None, ..World::leaf() };
            let issued = world.authority.issue(&asked, &key, &world.random, now()).expect("issued");
            verified_by_openssl(&issued, &["-x509_strict", "-verify_hostname", "shop.example.org"]);
            let sealed = pkcs12_of(&issued, &key, &password(), 10).expect("written");
            assert_eq!(read_any(&sealed, Some(&password())).expect("opened"), [issued.certificate]);
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
        let wrong = SecretText::new("wrong".into());
        let huge = vec![b'\n'; MAX_BUNDLE_BYTES + 1];
        for (bytes, password, code) in [
            (&sealed[..], None, "bundle-password-missing"),
            (&sealed, Some(&wrong), "bundle-not-opened"),
            (b"", None, "certificate-missing"),
            (b"hello", None, "certificate-missing"),
            (&huge, None, "certificate-too-large"),
            (&issued.certificate.der()[..99], None, "certificate-missing"),
        ] {
            assert_eq!(read_any(bytes, password).expect_err("refused").code(), code);
        }
    }

    /// The beginning of a file whose safe names the way to derive its key, with so many rounds.
    fn asking_for(way: &[u8], rounds: &[u8]) -> Vec<u8> {
        let parameters = der::wrap(SEQUENCE, &[&der::wrap(OCTET_STRING, &[b"salt"]), &der::wrap(INTEGER, &[rounds])]);
        let derivation = der::wrap(SEQUENCE, &[&der::wrap(OID, &[way]), &parameters]);
        let safe = der::wrap(OCTET_STRING, &[&der::wrap(SEQUENCE, &[&derivation])]);
        der::wrap(SEQUENCE, &[&[INTEGER, 1, 3], &der::wrap(SEQUENCE, &[&der::wrap(0xa0, &[&safe])])]).to_vec()
    }

    #[test]
    fn a_file_that_would_cost_much_is_not_opened() {
        for (way, rounds, code) in [
            (PBKDF2, &[0x1e, 0x84, 0x80][..], "bundle-not-opened"), // 2,000,000
            (PBKDF2, &[0x1e, 0x84, 0x81], "bundle-too-costly"),
            (PBKDF2, &[0xff; 20], "bundle-too-costly"),
            (SCRYPT, &[1], "bundle-too-costly"),
        ] {
            let error = read_any(&asking_for(way, rounds), Some(&password())).expect_err("refused");
            assert_eq!(error.code(), code, "{rounds:?}");
        }
    }
}
