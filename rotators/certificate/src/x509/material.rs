//! How a certificate, with its key and its chain, stands in the value of a secret: text fields, all PEM or plain.

use keywheel_contract::{Material, SecretText};

use super::{Certificate, CertificateError, KeyError, PrivateKey, validity};

/// Why the value of a secret is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// A field is missing.
    #[error("the secret's value has no field `{0}`")]
    Missing(&'static str),
    /// A field holds no certificate.
    #[error("the field `{field}` of the secret's value is not usable")]
    Unreadable {
        /// The field.
        field: &'static str,
        /// Why.
        source: CertificateError,
    },
}

impl StoredError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "stored-field-missing",
            Self::Unreadable { .. } => "stored-field-unreadable",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        "look at the secret's version: it was not made by this rotator, or only in part; rotate it"
    }
}

/// The certificates of a secret's value.
pub(super) struct Stored {
    pub(super) leaf: Certificate,
    pub(super) chain: Vec<Certificate>,
    pub(super) root: Certificate,
}

pub(super) fn write(
    key: Option<&PrivateKey>,
    certificate: &Certificate,
    chain: &[Certificate],
    root: &Certificate,
) -> Material {
    let facts = certificate.facts();
    let key = key.map(PrivateKey::to_pem);
    let chain: String = chain.iter().map(Certificate::pem).collect();
    let (leaf, root) = (certificate.pem(), root.pem());
    let (not_before, not_after) = (validity::text(facts.not_before), validity::text(facts.not_after));
    let key = key.as_ref().map(|key| ("private_key", SecretText::expose(key)));
    let public = [
        ("certificate", leaf.as_str()),
        ("chain", &chain),
        ("ca", &root),
        ("serial", &facts.serial),
        ("not_before", &not_before),
        ("not_after", &not_after),
    ];
    Material::of_texts(key.into_iter().chain(public))
}

pub(super) fn read_certificates(material: &Material) -> Result<Stored, StoredError> {
    let text = |field| material.text(field).ok_or(StoredError::Missing(field));
    let one = |field| Certificate::from_pem(text(field)?).map_err(|source| StoredError::Unreadable { field, source });
    let chain = Certificate::list_pem(material.text("chain").unwrap_or_default());
    let chain = chain.map_err(|source| StoredError::Unreadable { field: "chain", source })?;
    Ok(Stored { leaf: one("certificate")?, chain, root: one("ca")? })
}

impl PrivateKey {
    /// Reads the key from the value of a secret.
    pub fn from_material(material: &Material) -> Result<Self, KeyError> {
        Self::from_pem(material.text("private_key").ok_or(KeyError::Missing)?)
    }
}
