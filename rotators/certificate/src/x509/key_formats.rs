//! The forms in which private keys are found: PKCS#8 (RFC 5958), SEC1 (RFC 5915) and PKCS#1 (RFC 8017), all turned
//! into PKCS#8, the one form that the signing library reads.

use zeroize::Zeroizing;

use super::{
    KeyError, KeyKind,
    der::{self, INTEGER, Item, Items, OCTET_STRING, OID, SEQUENCE},
    limits::MAX_KEY_BYTES,
    pem,
};

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const NULL: &[u8] = &[5, 0];
const VERSION_1: &[u8] = &[INTEGER, 1, 0];
/// In an EC private key: the parameters.
const PARAMETERS: u8 = 0xa0;

/// The first private key of a text, as PKCS#8.
pub(super) fn pkcs8_of_pem(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if text.len() > MAX_KEY_BYTES {
        return Err(KeyError::TooLarge { most: MAX_KEY_BYTES });
    }
    for block in pem::blocks(text.as_bytes()) {
        let block = block.map_err(|_| KeyError::NotPem)?;
        let wrap: fn(&[u8]) -> Option<Zeroizing<Vec<u8>>> = match block.label {
            b"PRIVATE KEY" => |der| Some(Zeroizing::new(der.to_vec())),
            b"EC PRIVATE KEY" => pkcs8_of_sec1,
            b"RSA PRIVATE KEY" => |der| Some(pkcs8(RSA, NULL, der)),
            b"ENCRYPTED PRIVATE KEY" => return Err(KeyError::Encrypted),
            _ => continue,
        };
        if block.body.starts_with(b"Proc-Type: 4,ENCRYPTED") {
            return Err(KeyError::Encrypted);
        }
        let der = block.decode(MAX_KEY_BYTES).map_err(|_| KeyError::NotPem)?;
        return wrap(&der).ok_or(KeyError::Unsupported);
    }
    Err(KeyError::NotPem)
}

fn pkcs8(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    let algorithm = der::wrap(SEQUENCE, &[&der::wrap(OID, &[algorithm]), parameters]);
    der::wrap(SEQUENCE, &[VERSION_1, &algorithm, &der::wrap(OCTET_STRING, &[key])])
}

/// The curve stands in the parameters; where they are left out, the length of the key tells it.
fn pkcs8_of_sec1(sec1: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut items = sequence(sec1)?;
    let (_version, key) = (items.next()??, items.next()??);
    let curve = match items.next() {
        Some(Some(item)) if item.tag == PARAMETERS => item.items().next()??.contents,
        _ if key.contents.len() == 32 => P256,
        _ => P384,
    };
    Some(pkcs8(EC, &der::wrap(OID, &[curve]), sec1))
}

/// A key that ring wrote in version 2, in version 1: without the public key at its end.
pub(super) fn ed25519_version_1(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = sequence(der)?.nth(2)??;
    (key.tag == OCTET_STRING).then(|| pkcs8(ED25519, &[], key.contents))
}

/// What the key may be, by the algorithm it names: RSA keys tell their size only when they are read.
pub(super) fn kinds_of_pkcs8(der: &[u8]) -> Option<&'static [KeyKind]> {
    let mut algorithm = sequence(der)?.nth(1)??.items();
    let (name, parameters) = (algorithm.next()??.contents, algorithm.next().flatten().map(|item| item.contents));
    match name {
        RSA => Some(&[KeyKind::Rsa2048, KeyKind::Rsa3072, KeyKind::Rsa4096]),
        ED25519 => Some(&[KeyKind::Ed25519]),
        EC if parameters == Some(P256) => Some(&[KeyKind::P256]),
        EC if parameters == Some(P384) => Some(&[KeyKind::P384]),
        _ => None,
    }
}

/// The bits of the modulus of an RSA public key; `None` for other kinds.
pub(super) fn rsa_bits_of(kind: KeyKind, public_key: &[u8]) -> Option<usize> {
    kind.rsa_bits()?;
    modulus_bits(public_key)
}

/// Whether the identifier of an algorithm is that of RSA keys.
pub(super) fn is_rsa(algorithm: &[u8]) -> bool {
    algorithm == RSA
}

/// The bits of the modulus in a PKCS#1 public key.
pub(super) fn modulus_bits(public_key: &[u8]) -> Option<usize> {
    let modulus = sequence(public_key)?.next()??.contents;
    let modulus = &modulus[modulus.iter().take_while(|&&octet| octet == 0).count()..];
    let spare = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
    Some(modulus.len() * 8 - spare)
}

fn sequence(input: &[u8]) -> Option<Items<'_>> {
    match der::read(input)? {
        (item @ Item { tag: SEQUENCE, .. }, []) => Some(item.items()),
        _ => None,
    }
}
