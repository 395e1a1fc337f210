//! What a certificate says, in plain types.
//!
//! Every text is safe to print: control characters are escaped. Names are written as
//! [`SubjectName`] writes them; one that is none of those keeps a prefix (`dns:`, `ip:`,
//! `other:`), so that no foreign name can look like a wanted one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{DistributionPointName, ExtendedKeyUsage, GeneralName, KeyUsage, ParsedExtension},
    public_key::PublicKey,
    time::ASN1Time,
    x509::{AlgorithmIdentifier, SubjectPublicKeyInfo, X509Name},
};

use super::{
    CertificateError, SubjectName, key_formats,
    limits::{MAX_NAMES, MAX_SERIAL_BYTES},
};

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The subject, such as `CN=shop.example.org, O=Example`; empty if it has none.
    pub subject: String,
    /// The common name of the subject.
    pub common_name: Option<String>,
    /// The subject alternative names, as [`SubjectName`] writes them.
    pub names: Vec<String>,
    /// The issuer.
    pub issuer: String,
    /// The serial number in lower-case hexadecimal, two digits for each octet, without leading zero octets.
    pub serial: String,
    /// Its first second.
    pub not_before: DateTime<Utc>,
    /// Its last second.
    pub not_after: DateTime<Utc>,
    /// The kind of its key, such as `EC P-256`, `Ed25519` or `RSA 2048`.
    pub key: String,
    /// How it is signed, such as `ecdsa-with-sha256`, or the identifier of the algorithm.
    pub signature: String,
    /// Whether it may issue others.
    pub is_authority: bool,
    /// How many authorities may stand between it and a leaf.
    pub path_length: Option<u32>,
    /// What its key may be used for, such as `digital-signature` or `server-auth`.
    pub usages: Vec<String>,
    /// The identifier of its key, in hexadecimal.
    pub ski: Option<String>,
    /// The identifier of its issuer's key, in hexadecimal.
    pub aki: Option<String>,
    /// SHA-256 of its DER, in hexadecimal.
    pub sha256: String,
    /// Where its issuer's revocation lists are.
    pub crl_urls: Vec<String>,
}

/// Reads the facts; the DER is only hashed.
pub(super) fn read(x509: &X509Certificate<'_>, der: &[u8]) -> Result<Facts, CertificateError> {
    let mut facts = Facts {
        subject: dn(x509.subject()),
        common_name: x509.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).map(printable),
        names: Vec::new(),
        issuer: dn(x509.issuer()),
        serial: serial(x509.raw_serial())?,
        not_before: time(x509.validity().not_before)?,
        not_after: time(x509.validity().not_after)?,
        key: key(x509.public_key()),
        signature: signature(&x509.signature_algorithm),
        is_authority: false,
        path_length: None,
        usages: Vec::new(),
        ski: None,
        aki: None,
        sha256: hex(ring::digest::digest(&ring::digest::SHA256, der).as_ref()),
        crl_urls: Vec::new(),
    };
    for (at, extension) in x509.extensions().iter().enumerate() {
        if x509.extensions()[..at].iter().any(|earlier| earlier.oid == extension.oid) {
            return Err(CertificateError::Extensions(format!("`{}` occurs twice", extension.oid)));
        }
        if extension.parsed_extension().error().is_some() {
            return Err(CertificateError::Extensions(format!("`{}` cannot be read", extension.oid)));
        }
        facts.add(extension.parsed_extension())?;
    }
    Ok(facts)
}

impl Facts {
    fn add(&mut self, extension: &ParsedExtension<'_>) -> Result<(), CertificateError> {
        match extension {
            ParsedExtension::SubjectAlternativeName(san) => {
                if san.general_names.len() > MAX_NAMES {
                    return Err(CertificateError::TooManyNames);
                }
                self.names = san.general_names.iter().map(general_name).collect();
            }
            ParsedExtension::BasicConstraints(constraints) => {
                self.is_authority = constraints.ca;
                self.path_length = constraints.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => self.usages.extend(key_usages(usage)),
            ParsedExtension::ExtendedKeyUsage(usage) => self.usages.extend(extended_key_usages(usage)),
            ParsedExtension::SubjectKeyIdentifier(id) => self.ski = Some(hex(id.0)),
            ParsedExtension::AuthorityKeyIdentifier(id) => self.aki = id.key_identifier.as_ref().map(|id| hex(id.0)),
            ParsedExtension::CRLDistributionPoints(points) => {
                let names = points.iter().filter_map(|point| match &point.distribution_point {
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    _ => None,
                });
                self.crl_urls = names.flatten().filter_map(uri).take(MAX_NAMES).collect();
            }
            _ => {}
        }
        Ok(())
    }
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some(printable(uri)),
        _ => None,
    }
}

/// The name as a [`SubjectName`] writes it, or with a prefix that none of those has.
pub(super) fn general_name(name: &GeneralName<'_>) -> String {
    let or_raw = |kind: &str, text: &str, parsed: Option<SubjectName>| match parsed {
        Some(name) => name.to_string(),
        None => format!("{kind}:{}", printable(text)),
    };
    match name {
        GeneralName::DNSName(text) => {
            let parsed = SubjectName::parse(text).ok().filter(|name| matches!(name, SubjectName::Dns(_)));
            or_raw("dns", text, parsed)
        }
        GeneralName::RFC822Name(text) => or_raw("other-email", text, SubjectName::parse(&format!("email:{text}")).ok()),
        GeneralName::URI(text) => or_raw("other-uri", text, SubjectName::parse(&format!("uri:{text}")).ok()),
        GeneralName::IPAddress(octets) => ip(octets).unwrap_or_else(|| format!("ip:{}", hex(octets))),
        GeneralName::DirectoryName(name) => format!("directory:{}", dn(name)),
        GeneralName::OtherName(oid, value) => format!("other:{}:{}", hex(oid.as_bytes()), hex(value)),
        GeneralName::RegisteredID(oid) => format!("oid:{}", hex(oid.as_bytes())),
        GeneralName::X400Address(any) | GeneralName::EDIPartyName(any) => format!("other:{}", hex(any.data)),
        GeneralName::Invalid(_, octets) => format!("damaged:{}", hex(octets)),
    }
}

fn ip(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(std::net::IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(std::net::IpAddr::from)).ok().map(|ip| ip.to_string())
}

pub(super) fn key_usages(usage: &KeyUsage) -> impl Iterator<Item = String> {
    [
        (usage.digital_signature(), "digital-signature"),
        (usage.non_repudiation(), "content-commitment"),
        (usage.key_encipherment(), "key-encipherment"),
        (usage.data_encipherment(), "data-encipherment"),
        (usage.key_agreement(), "key-agreement"),
        (usage.key_cert_sign(), "key-cert-sign"),
        (usage.crl_sign(), "crl-sign"),
        (usage.encipher_only(), "encipher-only"),
        (usage.decipher_only(), "decipher-only"),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .map(|(_, name)| name.to_owned())
}

pub(super) fn extended_key_usages(usage: &ExtendedKeyUsage<'_>) -> impl Iterator<Item = String> {
    let known = [
        (usage.any, "any"),
        (usage.server_auth, "server-auth"),
        (usage.client_auth, "client-auth"),
        (usage.code_signing, "code-signing"),
        (usage.email_protection, "email-protection"),
        (usage.time_stamping, "time-stamping"),
        (usage.ocsp_signing, "ocsp-signing"),
    ];
    let known = known.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name.to_owned());
    let other = usage.other.iter().take(MAX_NAMES).map(|oid| format!("oid:{}", hex(oid.as_bytes())));
    known.chain(other.collect::<Vec<_>>())
}

fn dn(name: &X509Name<'_>) -> String {
    printable(&name.to_string())
}

/// The text with what could steer a terminal or break a line escaped.
fn printable(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 16), |mut out, symbol| {
        if symbol.is_control() {
            out.extend(symbol.escape_unicode());
        } else {
            out.push(symbol);
        }
        out
    })
}

fn serial(octets: &[u8]) -> Result<String, CertificateError> {
    if octets.is_empty() || octets.len() > MAX_SERIAL_BYTES {
        return Err(CertificateError::Field("serial number"));
    }
    let zeros = octets.iter().take_while(|&&octet| octet == 0).count().min(octets.len() - 1);
    Ok(hex(&octets[zeros..]))
}

fn time(time: ASN1Time) -> Result<DateTime<Utc>, CertificateError> {
    DateTime::from_timestamp(time.timestamp(), 0).ok_or(CertificateError::Field("validity"))
}

fn key(key: &SubjectPublicKeyInfo<'_>) -> String {
    let parameters = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    match (key.algorithm.algorithm.as_bytes(), key.parsed()) {
        (ED25519, _) => "Ed25519".to_owned(),
        (_, Ok(PublicKey::RSA(_))) => {
            format!("RSA {}", key_formats::modulus_bits(&key.subject_public_key.data).unwrap_or(0))
        }
        (_, Ok(PublicKey::EC(_))) => match parameters.as_ref().map(x509_parser::der_parser::Oid::as_bytes) {
            Some(P256) => "EC P-256".to_owned(),
            Some(P384) => "EC P-384".to_owned(),
            Some(P521) => "EC P-521".to_owned(),
            other => format!("EC oid:{}", hex(other.unwrap_or_default())),
        },
        (other, _) => format!("oid:{}", hex(other)),
    }
}

const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0, 0x23];
const PKCS1: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
const ECDSA: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];

fn signature(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let oid = algorithm.algorithm.as_bytes();
    let name = match (oid.strip_prefix(&PKCS1), oid.strip_prefix(&ECDSA)) {
        (Some([5]), _) => "sha1-with-rsa",
        (Some([10]), _) => "rsa-pss",
        (Some([11]), _) => "sha256-with-rsa",
        (Some([12]), _) => "sha384-with-rsa",
        (Some([13]), _) => "sha512-with-rsa",
        (_, Some([2])) => "ecdsa-with-sha256",
        (_, Some([3])) => "ecdsa-with-sha384",
        (_, Some([4])) => "ecdsa-with-sha512",
        _ if oid == ED25519 => "ed25519",
        _ => return format!("oid:{}", hex(oid)),
    };
    name.to_owned()
}

/// Lower-case hexadecimal.
pub(super) fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    octets.iter().flat_map(|&octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}
