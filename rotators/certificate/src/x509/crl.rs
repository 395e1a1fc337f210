//! Revocation lists (RFC 5280, 5): which serials of an authority are no longer to be trusted, signed by it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber};
use serde::{Deserialize, Serialize};
use x509_parser::extensions::ParsedExtension;

use super::{Authority, pem, validity::since_1970};

/// Why a certificate was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nobody said.
    #[default]
    Unspecified,
    /// Its key is known to others.
    KeyCompromise,
    /// The key of its authority is known to others.
    CaCompromise,
    /// What its subject says is no longer true.
    AffiliationChanged,
    /// Another took its place.
    Superseded,
    /// What it was for has ended.
    CessationOfOperation,
    /// Its subject may no longer do what it allows.
    PrivilegeWithdrawn,
}

/// One revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// When it was revoked.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: Reason,
}

/// Why there is no revocation list.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    /// A serial number is not hexadecimal, zero or longer than 20 octets.
    #[error("`{0}` is not a serial number")]
    Serial(String),
    /// A serial number occurs twice.
    #[error("the serial number `{0}` is revoked twice")]
    Twice(String),
    /// The next list is due before this one is made.
    #[error("the next list is due at {next}, which is not after {now}")]
    NextUpdate {
        /// When the next is due.
        next: DateTime<Utc>,
        /// Now.
        now: DateTime<Utc>,
    },
    /// The list could not be written, or the authority may not sign lists.
    #[error("the revocation list could not be made")]
    Encode(#[source] rcgen::Error),
}

impl CrlError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Serial(_) => "crl-serial-invalid",
            Self::Twice(_) => "crl-serial-twice",
            Self::NextUpdate { .. } => "crl-next-update-invalid",
            Self::Encode(_) => "crl-not-made",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Serial(_) => "give the serial as `openssl x509 -noout -serial` prints it",
            Self::Twice(_) => "list each certificate one time",
            Self::NextUpdate { .. } => "let the next list be due later",
            Self::Encode(_) => "the authority needs the usage `cRLSign`: look at it with `openssl x509 -noout -text`",
        }
    }
}

/// A signed revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    /// Its number, higher than that of the list before.
    pub number: u64,
    /// When the next is due.
    pub next_update: DateTime<Utc>,
    der: Vec<u8>,
}

impl Crl {
    /// The list as DER: what is served to those who check.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The list as PEM.
    pub fn pem(&self) -> String {
        pem::encode("X509 CRL", &self.der)
    }
}

impl Authority {
    /// Signs a list of what is revoked, valid from now until the next is due.
    pub fn sign_crl(
        &self,
        number: u64,
        revoked: &[Revoked],
        now: DateTime<Utc>,
        next_update: DateTime<Utc>,
    ) -> Result<Crl, CrlError> {
        if next_update.timestamp() <= now.timestamp() {
            return Err(CrlError::NextUpdate { next: next_update, now });
        }
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(1970, 1, 1) + since_1970(now),
            next_update: rcgen::date_time_ymd(1970, 1, 1) + since_1970(next_update),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: entries(revoked)?,
            key_identifier_method: self.key_id(),
        };
        let signed = params.signed_by(&self.issuer).map_err(CrlError::Encode)?;
        Ok(Crl { number, next_update, der: signed.der().to_vec() })
    }

    /// The identifier that the authority's own certificate gives its key, so that the list names the same.
    fn key_id(&self) -> KeyIdMethod {
        let x509 = self.certificate().parsed();
        let own = x509.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(KeyIdMethod::PreSpecified(id.0.to_vec())),
            _ => None,
        });
        own.unwrap_or(KeyIdMethod::Sha256)
    }
}

fn entries(revoked: &[Revoked]) -> Result<Vec<RevokedCertParams>, CrlError> {
    let mut seen = HashSet::new();
    let entry = |revoked: &Revoked| {
        let serial = octets(&revoked.serial).ok_or_else(|| CrlError::Serial(revoked.serial.clone()))?;
        if !seen.insert(serial.clone()) {
            return Err(CrlError::Twice(revoked.serial.clone()));
        }
        Ok(RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: rcgen::date_time_ymd(1970, 1, 1) + since_1970(revoked.at),
            reason_code: Some(code_of(revoked.reason)),
            invalidity_date: None,
        })
    };
    revoked.iter().map(entry).collect()
}

/// The octets of a hexadecimal number of 1 to 40 digits, without leading zeros; zero is none.
fn octets(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.trim_start_matches('0');
    if digits.is_empty() || digits.len() > 40 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let even = if digits.len().is_multiple_of(2) { digits.to_owned() } else { format!("0{digits}") };
    (0..even.len()).step_by(2).map(|at| u8::from_str_radix(&even[at..at + 2], 16).ok()).collect()
}

fn code_of(reason: Reason) -> RevocationReason {
    match reason {
        Reason::Unspecified => RevocationReason::Unspecified,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::CaCompromise => RevocationReason::CaCompromise,
        Reason::AffiliationChanged => RevocationReason::AffiliationChanged,
        Reason::Superseded => RevocationReason::Superseded,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
        Reason::PrivilegeWithdrawn => RevocationReason::PrivilegeWithdrawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::{
        KeyKind,
        testing::{World, day, now, openssl, try_openssl, write},
    };

    fn revoked(serial: &str) -> Revoked {
        Revoked { serial: serial.into(), at: now(), reason: Reason::Superseded }
    }

    #[test]
    fn openssl_shows_and_verifies_the_list() {
        let world = World::new(KeyKind::P256);
        let crl =
            world.authority.sign_crl(42, &[revoked("0a1b"), revoked("ff")], now(), now() + day(7)).expect("signed");
        let folder = tempfile::tempdir().expect("a folder");
        let root = write(&folder, "root", &world.authority.root().pem());
        let text = openssl(&["crl", "-noout", "-text", "-CAfile", &root], crl.pem().as_bytes());
        for part in [
            "verify OK",
            "X509v3 CRL Number: \n                42",
            "Serial Number: 0A1B",
            "Serial Number: FF",
            "Superseded",
            "Last Update: Jul  1 00:00:00 2026 GMT",
            "Next Update: Jul  8 00:00:00 2026 GMT",
            "Authority Key Identifier",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn openssl_refuses_a_leaf_that_the_list_names_and_no_other() {
        let world = World::new(KeyKind::P256);
        let folder = tempfile::tempdir().expect("a folder");
        let good = world.issue(&World::leaf());
        let bad = world.issue(&World::leaf());
        let list = [revoked(&bad.certificate.facts().serial)];
        let crl = world.authority.sign_crl(1, &list, now(), now() + day(7)).expect("signed");
        let trusted = write(&folder, "trusted", &format!("{}{}", good.root.pem(), crl.pem()));
        let time = now().timestamp().to_string();
        for (issued, is_good) in [(good, true), (bad, false)] {
            let leaf = write(&folder, "leaf", &issued.certificate.pem());
            let arguments = ["verify", "-crl_check", "-attime", &time, "-CAfile", &trusted, &leaf];
            assert_eq!(try_openssl(&arguments, b"").0, is_good);
        }
    }

    #[test]
    fn webpki_reads_the_list_and_finds_the_serial() {
        let world = World::new(KeyKind::P384);
        let crl = world.authority.sign_crl(u64::MAX, &[revoked("0a1b")], now(), now() + day(7)).expect("signed");
        let read = webpki::OwnedCertRevocationList::from_der(crl.der()).expect("read");
        let read = webpki::CertRevocationList::from(read);
        assert!(read.find_serial(&[0x0a, 0x1b]).expect("looked up").is_some());
        assert!(read.find_serial(&[0x0a, 0x1c]).expect("looked up").is_none());
    }

    #[test]
    fn an_empty_list_is_a_list() {
        let world = World::new(KeyKind::P256);
        let crl = world.authority.sign_crl(0, &[], now(), now() + day(1)).expect("signed");
        assert!(openssl(&["crl", "-noout", "-text"], crl.pem().as_bytes()).contains("No Revoked Certificates"));
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_code() {
        let world = World::new(KeyKind::P256);
        let sign = |list: &[Revoked], next| world.authority.sign_crl(1, list, now(), next).expect_err("refused").code();
        for serial in ["", "0", "xyz", "-1", "é0", &"f".repeat(41)] {
            assert_eq!(sign(&[revoked(serial)], now() + day(1)), "crl-serial-invalid", "{serial}");
        }
        assert_eq!(sign(&[revoked("0a"), revoked("A")], now() + day(1)), "crl-serial-twice");
        assert_eq!(sign(&[], now()), "crl-next-update-invalid");
    }
}
