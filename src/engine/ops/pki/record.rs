//! What is recorded of each certificate: its serial under the key that signed it, its names, its life.

use std::fmt::Write as _;

use crate::pki::x509::{Certificate as Parsed, Facts};
use keywheel_contract::Material;

use crate::{
    engine::{Engine, Trouble, ops::asked::invalid},
    model::{Actor, Certificate, CertificateId, Name, Secret, Version},
    store::{StoreError, Tx, certificate},
};

/// The type of a secret whose versions are certificates.
pub(crate) const CERTIFICATE: &str = "certificate";

/// Whose a certificate is.
pub(super) struct Of<'a> {
    pub(super) authority: &'a str,
    pub(super) profile: &'a str,
    pub(super) actor: &'a Actor,
    pub(super) version: Option<&'a Version>,
}

/// Certificates one after the other, as PEM.
pub(super) fn chain_pem(chain: &[Parsed]) -> String {
    chain.iter().map(Parsed::pem).collect()
}

/// The identifier of the key that signed: the certificate's own word, else a digest of the issuer's name.
pub(super) fn issuer_of(facts: &Facts) -> String {
    facts.aki.clone().unwrap_or_else(|| {
        let digest = ring::digest::digest(&ring::digest::SHA256, facts.issuer.as_bytes());
        let mut text = String::with_capacity(40);
        for byte in &digest.as_ref()[..20] {
            write!(text, "{byte:02x}").expect("a text can be written to");
        }
        text
    })
}

impl Engine {
    pub(super) fn certificate_row(&self, parsed: &Parsed, of: &Of<'_>) -> Certificate {
        let facts = parsed.facts();
        Certificate {
            id: self.mint(CertificateId::mint),
            tenant: self.tenant.clone(),
            issuer: issuer_of(facts),
            serial: facts.serial.clone(),
            authority: of.authority.to_owned(),
            secret: of.version.map(|version| version.secret.clone()),
            version: of.version.map(|version| version.id.clone()),
            names: facts.names.clone(),
            profile: of.profile.to_owned(),
            not_before: facts.not_before,
            not_after: facts.not_after,
            pem: parsed.pem(),
            revoked_at: None,
            revoked_because: String::new(),
            created_at: self.now(),
            created_by: of.actor.clone(),
            revision: 1,
        }
    }

    /// Whether the certificate of a version was revoked.
    pub(crate) async fn is_revoked(&self, tx: &mut Tx, secret: &Secret, serial: &str) -> Result<bool, StoreError> {
        if secret.kind != CERTIFICATE {
            return Ok(false);
        }
        let row = certificate::find_of_secret(tx, self.keyring(), &secret.tenant, &secret.id, serial).await?;
        Ok(row.is_some_and(|row| row.revoked_at.is_some()))
    }

    /// The certificate of a version that is about to be sealed, if it holds one.
    pub(crate) fn certificate_of(
        &self,
        secret: &Secret,
        authority: Option<&Name>,
        version: &Version,
        material: &Material,
    ) -> Result<Option<Certificate>, Trouble> {
        let Some(pem) = material.text("certificate").filter(|_| secret.kind == CERTIFICATE) else { return Ok(None) };
        let parsed = Parsed::from_pem(pem)
            .map_err(|error| invalid(error.code(), format!("the issued certificate: {error}"), error.hint()))?;
        let profile = secret.settings.get("profile").and_then(serde_json::Value::as_str).unwrap_or("server");
        let actor = Actor::daemon();
        let authority = authority.map_or("", Name::as_str);
        let of = Of { authority, profile, actor: &actor, version: Some(version) };
        Ok(Some(self.certificate_row(&parsed, &of)))
    }
}
