//! A certificate: its DER, and the facts that were read from it when it was taken in.
//!
//! What is taken in is bounded (see [`limits`](super::limits)), whole, and readable to the end: an extension that
//! cannot be read is an error and never a fact that is left out. Whether anybody should trust it is not judged here.

use std::{fmt, sync::Arc};

use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{
    Facts, der, facts,
    limits::{
        MAX_BUNDLE_BYTES, MAX_BUNDLE_CERTIFICATES, MAX_BUNDLE_NAMES, MAX_CERTIFICATE_BYTES, MAX_EXTENSIONS, MAX_NAMES,
    },
    pem,
};

/// Why bytes are no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A certificate or a bundle is larger than the bound.
    #[error("the input is too large: at most {most} bytes, found {found}")]
    TooLarge {
        /// The bound.
        most: usize,
        /// What was found.
        found: usize,
    },
    /// The bundle has more certificates than the bound.
    #[error("the bundle has more than {MAX_BUNDLE_CERTIFICATES} certificates")]
    TooMany,
    /// The text holds no certificate.
    #[error("the text holds no certificate in PEM")]
    NoCertificate,
    /// The text is damaged PEM.
    #[error("the PEM is damaged: {0}")]
    Pem(String),
    /// The bytes are no DER, or nested too deeply, or followed by others.
    #[error("the certificate is not one whole value in DER of bounded depth")]
    Shape,
    /// The value is no certificate.
    #[error("the value is not an X.509 certificate")]
    NotACertificate,
    /// An extension occurs twice, cannot be read, or there are too many.
    #[error("the extensions are damaged: {0}")]
    Extensions(String),
    /// More names than the bounds.
    #[error("the certificate has more than {MAX_NAMES} names, or the bundle more than {MAX_BUNDLE_NAMES}")]
    TooManyNames,
    /// A time, serial or key cannot be read.
    #[error("the {0} cannot be read")]
    Field(&'static str),
}

impl CertificateError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "certificate-too-large",
            Self::TooMany => "certificates-too-many",
            Self::NoCertificate => "certificate-missing",
            Self::Pem(_) => "certificate-damaged-pem",
            Self::Shape => "certificate-damaged-der",
            Self::NotACertificate => "certificate-unreadable",
            Self::Extensions(_) => "certificate-damaged-extensions",
            Self::TooManyNames => "certificate-too-many-names",
            Self::Field(_) => "certificate-damaged-field",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooMany => "give only the certificates that are needed",
            Self::NoCertificate => "give at least one block `-----BEGIN CERTIFICATE-----`",
            Self::Pem(_) => "copy the whole block again, with its first and last line",
            Self::Shape | Self::NotACertificate => "look at it with `openssl x509 -in FILE -noout -text`",
            Self::Extensions(_) | Self::TooManyNames | Self::Field(_) => {
                "ask its issuer for another: this one breaks RFC 5280"
            }
        }
    }
}

/// A certificate and its facts; cheap to clone.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    facts: Facts,
}

impl Certificate {
    /// Reads one certificate from DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge { most: MAX_CERTIFICATE_BYTES, found: der.len() });
        }
        if !der::is_shallow(der) {
            return Err(CertificateError::Shape);
        }
        let (_, x509) = X509Certificate::from_der(der).map_err(|_| CertificateError::NotACertificate)?;
        if x509.extensions().len() > MAX_EXTENSIONS {
            return Err(CertificateError::Extensions(format!("more than {MAX_EXTENSIONS}")));
        }
        let facts = facts::read(&x509, der)?;
        Ok(Self(Arc::new(Inner { der: der.to_vec(), facts })))
    }

    /// Reads the first certificate of a text.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        Self::of_text(text.as_bytes()).next().unwrap_or(Err(CertificateError::NoCertificate))
    }

    /// Reads all certificates of a text, in their order; there may be none. Other blocks are passed over.
    pub fn list_pem(text: &str) -> Result<Vec<Self>, CertificateError> {
        Self::list_bytes(text.as_bytes())
    }

    /// Reads all certificates of a text that need not be UTF-8 around its blocks.
    pub(super) fn list_bytes(text: &[u8]) -> Result<Vec<Self>, CertificateError> {
        if text.len() > MAX_BUNDLE_BYTES {
            return Err(CertificateError::TooLarge { most: MAX_BUNDLE_BYTES, found: text.len() });
        }
        let (mut list, mut names) = (Vec::new(), 0);
        for certificate in Self::of_text(text) {
            let certificate = certificate?;
            names += certificate.facts().names.len();
            if names > MAX_BUNDLE_NAMES {
                return Err(CertificateError::TooManyNames);
            }
            if list.len() == MAX_BUNDLE_CERTIFICATES {
                return Err(CertificateError::TooMany);
            }
            list.push(certificate);
        }
        Ok(list)
    }

    fn of_text(text: &[u8]) -> impl Iterator<Item = Result<Self, CertificateError>> + '_ {
        let damaged = |error: pem::PemError| CertificateError::Pem(error.to_string());
        pem::blocks(text)
            .filter(|block| block.is_err() || block.is_ok_and(|block| block.label.ends_with(b"CERTIFICATE")))
            .map(move |block| {
                let der = block.and_then(|block| block.decode(MAX_CERTIFICATE_BYTES)).map_err(damaged)?;
                Self::from_der(&der)
            })
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        pem::encode("CERTIFICATE", self.der())
    }

    /// The certificate as DER.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// What it says.
    pub fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// The parsed certificate, for what is not among the facts.
    pub(super) fn parsed(&self) -> X509Certificate<'_> {
        X509Certificate::from_der(self.der()).expect("it was read when the certificate was taken in").1
    }

    /// Whether it names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        let x509 = self.parsed();
        x509.subject().as_raw() == x509.issuer().as_raw()
    }

    /// Whether the public key in it is this one.
    pub(crate) fn holds_key(&self, public_key: &[u8]) -> bool {
        &*self.parsed().public_key().subject_public_key.data == public_key
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?}, serial {})", self.facts().subject, self.facts().serial)
    }
}
