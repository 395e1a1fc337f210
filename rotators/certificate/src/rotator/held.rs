//! A version's value, read: its key, its certificate and what stands between that and the anchor.

use chrono::{DateTime, Utc};
use keywheel_contract::{Failure, Material};
use zeroize::Zeroizing;

use super::failures::of_stored;
use crate::{
    host::{VersionFile, VersionName},
    probe::Presented,
    x509::{Certificate, CertificateError, PrivateKey, StoredError},
};

/// The certificates of a value: what an endpoint presents.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) leaf: Certificate,
    pub(super) chain: Vec<Certificate>,
}

/// How an endpoint's answer compares with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The leaf and what must come with it.
    Whole,
    /// The leaf alone, or with another chain.
    WithoutItsChain,
    /// Another leaf.
    Other,
}

impl Shown {
    /// Reads a value; `key` names it in failures. None while its certificate has not been issued.
    pub(super) fn find(key: &str, material: &Material) -> Result<Option<Self>, Failure> {
        let Some(leaf) = material.text("certificate") else { return Ok(None) };
        let unreadable = |field| {
            move |source: CertificateError| {
                of_stored(&format!("{key}.{field}"), &StoredError::Unreadable { field, source })
            }
        };
        let leaf = Certificate::from_pem(leaf).map_err(unreadable("certificate"))?;
        let chain = match material.text("chain").unwrap_or_default() {
            "" => Vec::new(),
            text => Certificate::list_pem(text).map_err(unreadable("chain"))?,
        };
        Ok(Some(Self { leaf, chain }))
    }

    /// Reads a value that must have a certificate.
    pub(super) fn read(key: &str, material: &Material) -> Result<Self, Failure> {
        Self::find(key, material)?.ok_or_else(|| of_stored(key, &StoredError::Missing("certificate")))
    }

    /// Its serial, which is its identity and the name of its folder.
    pub(super) fn serial(&self) -> &str {
        &self.leaf.facts().serial
    }

    pub(super) fn version(&self) -> Result<VersionName, Failure> {
        VersionName::parse(self.serial()).map_err(|error| super::failures::of_host(&error))
    }

    pub(super) fn not_after(&self) -> DateTime<Utc> {
        self.leaf.facts().not_after
    }

    /// Compares it with what an endpoint presents. More after the chain, such as the anchor, does no harm.
    pub(super) fn likeness(&self, presented: &Presented) -> Likeness {
        if presented.leaf_der != self.leaf.der() {
            return Likeness::Other;
        }
        let is_chain = presented.chain_der.len() >= self.chain.len()
            && self.chain.iter().zip(&presented.chain_der).all(|(wanted, found)| wanted.der() == &found[..]);
        if is_chain { Likeness::Whole } else { Likeness::WithoutItsChain }
    }
}

/// A whole version, which can be installed.
pub(super) struct Held {
    pub(super) key: PrivateKey,
    pub(super) shown: Shown,
}

impl Held {
    /// Reads a value; `key` names it in failures.
    pub(super) fn read(key: &str, material: &Material) -> Result<Self, Failure> {
        let private = PrivateKey::from_material(material).map_err(|error| {
            Failure::misconfigured(format!("{key}.private_key"), error.code(), error.to_string(), error.hint())
        })?;
        Ok(Self { key: private, shown: Shown::read(key, material)? })
    }

    /// The files of its folder.
    pub(super) fn files(&self) -> Vec<VersionFile> {
        let key = self.key.to_pem();
        let leaf = self.shown.leaf.pem();
        let chain: String = self.shown.chain.iter().map(Certificate::pem).collect();
        let full = format!("{leaf}{chain}");
        // Room for everything at once: a buffer that grows leaves copies of the key behind.
        let mut combined = Zeroizing::new(Vec::with_capacity(key.expose().len() + full.len()));
        combined.extend_from_slice(key.expose().as_bytes());
        combined.extend_from_slice(full.as_bytes());
        vec![
            VersionFile::private("key.pem", key.expose().as_bytes()),
            VersionFile::public("cert.pem", leaf),
            VersionFile::public("chain.pem", chain),
            VersionFile::public("fullchain.pem", full),
            VersionFile::private("combined.pem", std::mem::take(&mut *combined)),
        ]
    }
}
