//! The listener's certificate: what TLS shows at each handshake, and how a secret's fields become that.
//!
//! TLS 1.2 and 1.3 by rustls. The certificate is looked up at each handshake, so that another one takes effect without
//! a restart and connections that are open go on.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::model::Material;

/// The certificate that is shown to whoever connects; none at first.
#[derive(Default)]
pub struct Shown(RwLock<Option<Arc<CertifiedKey>>>);

impl Shown {
    /// Shows this one from the next handshake on.
    pub(super) fn set(&self, key: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(key));
    }

    /// Whether there is one.
    pub(super) fn is_set(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("is_set", &self.is_set()).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What answers handshakes with the certificate that is shown.
pub(super) fn acceptor(shown: Arc<Shown>) -> TlsAcceptor {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Why a secret's fields are no certificate to show. Never repeats a field's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CertificateError {
    /// A field is missing or no text.
    #[error("the field `{0}` is missing or no text")]
    Missing(&'static str),
    /// A field cannot be read.
    #[error("the field `{0}` holds no PEM that can be read")]
    Unreadable(&'static str),
    /// No algorithm that is known.
    #[error("the field `private_key` holds a key of a kind that TLS does not take")]
    Key,
    /// The key is that of another certificate.
    #[error("the fields `private_key` and `certificate` do not belong together")]
    Mismatch,
}

impl CertificateError {
    /// What solves it.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Missing(_) | Self::Unreadable(_) => {
                "put the fields `private_key`, `certificate` and `chain` as PEM texts"
            }
            Self::Key => "use a key of ECDSA P-256 or P-384, Ed25519, or RSA, as PKCS#8",
            Self::Mismatch => "put key and certificate of one issuance",
        }
    }
}

/// Makes what TLS shows of the fields `private_key`, `certificate` and `chain`.
pub(super) fn certified(material: &Material) -> Result<CertifiedKey, CertificateError> {
    let text = |field: &'static str| material.text(field).ok_or(CertificateError::Missing(field));
    let mut chain = certificates("certificate", text("certificate")?)?;
    if chain.is_empty() {
        return Err(CertificateError::Unreadable("certificate"));
    }
    chain.extend(certificates("chain", material.text("chain").unwrap_or_default())?);
    let unreadable = |_| CertificateError::Unreadable("private_key");
    let key = PrivateKeyDer::from_pem_slice(text("private_key")?.as_bytes()).map_err(unreadable)?;
    let key = ring::sign::any_supported_type(&key).map_err(|_| CertificateError::Key)?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|_| CertificateError::Mismatch)?;
    Ok(certified)
}

fn certificates(field: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    read.map_err(|_| CertificateError::Unreadable(field))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn issued() -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    fn fields(pairs: &[(&str, &str)]) -> Material {
        Material::of_texts(pairs.iter().copied())
    }

    #[test]
    fn fields_of_one_issuance_are_shown() {
        let ((certificate, key), (chain, _)) = (issued(), issued());
        for chain in ["", &chain] {
            let whole = fields(&[("certificate", &certificate), ("private_key", &key), ("chain", chain)]);
            let made = certified(&whole).expect("shown");
            assert_eq!(made.cert.len(), 1 + usize::from(!chain.is_empty()));
        }
        assert!(certified(&fields(&[("certificate", &certificate), ("private_key", &key)])).is_ok());
    }

    #[test]
    fn fields_that_cannot_be_shown_are_refused_and_not_repeated() {
        let ((certificate, key), (other, _)) = (issued(), issued());
        let cut = &key[..key.len() / 2];
        let broken = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", "canary!");
        for (pairs, error) in [
            (&[("certificate", certificate.as_str())][..], CertificateError::Missing("private_key")),
            (&[("private_key", &key)], CertificateError::Missing("certificate")),
            (&[("private_key", &key), ("certificate", "canary")], CertificateError::Unreadable("certificate")),
            (&[("private_key", &key), ("certificate", &broken)], CertificateError::Unreadable("certificate")),
            (&[("private_key", cut), ("certificate", &certificate)], CertificateError::Unreadable("private_key")),
            (
                &[("private_key", &certificate), ("certificate", &certificate)],
                CertificateError::Unreadable("private_key"),
            ),
            (&[("private_key", &key), ("certificate", &other)], CertificateError::Mismatch),
        ] {
            let refused = certified(&fields(pairs)).expect_err("refused");
            assert_eq!(refused, error);
            assert!(!refused.to_string().contains("canary") && !refused.hint().is_empty());
        }
    }
}
