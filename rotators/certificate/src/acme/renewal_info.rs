//! Renewal information of an authority (ARI, RFC 9773): which certificate is meant, and when it should be renewed.

use chrono::{DateTime, Utc};
use instant_acme::{CertificateIdentifier, Error};
use rustls::pki_types::Der;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use x509_parser::extensions::ParsedExtension;

use super::account::Account;
use super::error::AcmeError;

/// How a certificate is named to its authority (RFC 9773, section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateId(CertificateIdentifier<'static>);

impl CertificateId {
    /// The id of a certificate, if it names its issuer's key.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let issuer = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
            _ => None,
        })?;
        let serial = Der::from_slice(certificate.tbs_certificate.raw_serial());
        Some(Self(CertificateIdentifier::new(Der::from_slice(issuer), serial).into_owned()))
    }

    pub(super) fn as_instant(&self) -> CertificateIdentifier<'_> {
        self.0.clone()
    }
}

/// The span in which an authority wants a certificate renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Not before.
    pub start: DateTime<Utc>,
    /// Not after.
    pub end: DateTime<Utc>,
}

/// What an authority said about one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// When to renew.
    pub window: Window,
    /// How long to wait before asking again: 1 minute to 1 day, whatever was said (RFC 9773, section 4.3.2).
    pub ask_again_in: Duration,
    /// A page that tells why.
    pub explained_at: Option<String>,
}

/// Asks when to renew; `None` if the authority has no renewal information.
pub async fn suggested(account: &Account, certificate: &CertificateId) -> Result<Option<Suggestion>, AcmeError> {
    let (said, ask_again_in) = match account.inner().renewal_info(&certificate.0).await {
        Ok(said) => said,
        Err(Error::Unsupported(_)) => return Ok(None),
        Err(error) => return Err(AcmeError::of("renewal-info", &error)),
    };
    let moment = |nanos: i128| i64::try_from(nanos).ok().map(DateTime::from_timestamp_nanos);
    let window = said.suggested_window;
    let read = moment(window.start.unix_timestamp_nanos()).zip(moment(window.end.unix_timestamp_nanos()));
    match read {
        // Section 4.2: a window that ends before it starts is none.
        Some((start, end)) if start < end => Ok(Some(Suggestion {
            window: Window { start, end },
            ask_again_in: ask_again_in.clamp(Duration::from_mins(1), Duration::from_hours(24)),
            explained_at: said.explanation_url,
        })),
        _ => Err(AcmeError::garbled("renewal-info", "the window ends before it starts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 9773, section 4.1, made anew: key id 69:88:5b:6b:87:46:40:41:e1:b3:7b:84:7b:a0:ae:2c:de:01:c8:d4
    /// and serial 00:87:65:43:21.
    #[test]
    fn the_id_is_that_of_the_standards_example() {
        let issuer_id = [
            0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0, 0xae, 0x2c, 0xde, 0x01,
            0xc8, 0xd4,
        ];
        let mut issuer = rcgen::CertificateParams::default();
        issuer.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(issuer_id.to_vec());
        let issuer = rcgen::Issuer::new(issuer, rcgen::KeyPair::generate().expect("a key"));
        let mut leaf = rcgen::CertificateParams::default();
        leaf.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x00, 0x87, 0x65, 0x43, 0x21]));
        leaf.use_authority_key_identifier_extension = true;
        let key = rcgen::KeyPair::generate().expect("a key");
        let leaf = leaf.signed_by(&key, &issuer).expect("a leaf");
        let id = CertificateId::of_der(leaf.der()).expect("an id");
        assert_eq!(id.0.to_string(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
        assert!(CertificateId::of_der(b"no certificate").is_none());
    }
}
