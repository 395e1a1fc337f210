//! A certificate for whoever asks: signed, recorded, answered. Its key is made here, or stays with the asker, who gives
//! a signing request. Nothing renews it.

use std::{sync::Arc, time::Duration};

use crate::pki::x509::{CsrRules, Issued, KeyKind, LeafRequest, OnClamp, PrivateKey, Profile, SubjectName};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    key::Found,
    record::{Of, chain_pem},
};
use crate::{
    engine::{
        Engine, Kind, Trouble,
        ops::{
            asked::{Asked, Told, invalid, read_name},
            secret_fields::check_text,
            wire::{Moment, Password},
        },
    },
    model::{Actor, Certificate, SecretText},
    schedule::HumanDuration,
    store::{Tx, certificate},
};

/// How long a certificate lives where nobody says: 90 days.
pub(super) const LEAF_LIFE: Duration = Duration::from_hours(90 * 24);

/// A certificate as somebody wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IssueCertificate {
    /// The names that it is for: `shop.example.org`, `*.example.org`, `10.0.0.1`, `email:a@example.org`, `uri:…`.
    pub names: Vec<String>,
    /// Its common name; none if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// Its organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// What it may be used for: `server` (the default), `client`, `server-and-client`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub profile: Option<Profile>,
    /// Its key: `p256` (the default), `p384`, `ed25519`, `rsa-2048`, `rsa-3072`, `rsa-4096`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<KeyKind>,
    /// How long it lives, such as `90d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
    /// Whether it may live shorter, where its authority ends sooner.
    pub may_be_shorter: bool,
    /// A signing request as PEM; then the key stays with the asker, and the names must be those of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// Where its revocation list can be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crl_url: Option<String>,
    /// Why.
    pub reason: String,
}

/// A certificate that was issued.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CertificateIssued {
    /// Its serial number.
    pub serial: String,
    /// When its life begins.
    pub not_before: Moment,
    /// When its life ends.
    pub not_after: Moment,
    /// The certificate, as PEM.
    pub certificate: String,
    /// The certificates between it and the root, as PEM.
    pub chain: String,
    /// The root, as PEM.
    pub ca: String,
    /// Its private key, as PEM; none where the asker has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<Password>,
}

/// How a profile is written.
fn text_of(profile: Profile) -> String {
    json!(profile).as_str().unwrap_or_default().to_owned()
}

/// Reads the names of a certificate. Errors: what a name says wrong.
pub(super) fn read_names(texts: &[String]) -> Result<Vec<SubjectName>, Trouble> {
    texts.iter().map(|text| SubjectName::parse(text).map_err(Trouble::from)).collect()
}

/// Reads the lifetime of a certificate.
pub(super) fn read_lifetime(text: Option<&str>) -> Result<Duration, Trouble> {
    let Some(text) = text else { return Ok(LEAF_LIFE) };
    let read: HumanDuration = text.parse().map_err(|error: crate::schedule::DurationError| {
        invalid(error.code(), format!("`lifetime`: {error}"), error.hint())
    })?;
    Ok(read.as_duration())
}

impl IssueCertificate {
    fn on_clamp(&self) -> OnClamp {
        if self.may_be_shorter { OnClamp::Shorten } else { OnClamp::Refuse }
    }

    fn request(&self) -> Result<LeafRequest, Trouble> {
        let names = read_names(&self.names)?;
        if names.is_empty() && self.csr.is_none() {
            let sentence = "a certificate without a name serves nobody";
            return Err(invalid("names-missing", sentence, "name what it is for: `--dns shop.example.org`"));
        }
        Ok(LeafRequest {
            common_name: self.common_name.clone(),
            organisation: self.organisation.clone(),
            names,
            profile: self.profile.unwrap_or_default(),
            lifetime: read_lifetime(self.lifetime.as_deref())?,
            on_clamp: self.on_clamp(),
            crl_url: self.crl_url.clone(),
        })
    }
}

/// Issues a certificate. Errors: `not-found`, `not-an-authority`; what the request or the signing request says wrong.
pub async fn issue(
    engine: &Arc<Engine>,
    actor: &Actor,
    authority: &str,
    request: IssueCertificate,
) -> Result<CertificateIssued, Trouble> {
    check_text("reason", &request.reason)?;
    let name = read_name(authority)?;
    let wanted = request.request()?;
    let mut tx = engine.store.read().await?;
    let found = engine.find_authority(&mut tx, &name).await?;
    drop(tx);
    let asked = Asked::new(engine, actor);
    let (issued, key) = asked.sign(&found, wanted, &request).await?;
    let of =
        Of { authority: name.as_str(), profile: &text_of(request.profile.unwrap_or_default()), actor, version: None };
    let row = engine.certificate_row(&issued.certificate, &of);
    let (id, reason) = (found.secret.id.clone(), request.reason);
    let recorded = row.clone();
    // Nothing of the authority changes, so its row is not held: a serial is unique by the table's own word.
    // Nothing that is due changes by it, so the loop is not woken.
    engine
        .write(move |tx| Box::pin(async move { asked.record_issued(tx, id.as_str(), &recorded, &reason).await }))
        .await?;
    Ok(CertificateIssued {
        serial: row.serial,
        not_before: row.not_before.into(),
        not_after: row.not_after.into(),
        certificate: row.pem,
        chain: chain_pem(&issued.chain),
        ca: issued.root.pem(),
        private_key: key.map(|key| Password(key.to_pem())),
    })
}

impl Asked {
    async fn sign(
        &self,
        found: &Found,
        wanted: LeafRequest,
        request: &IssueCertificate,
    ) -> Result<(Issued, Option<PrivateKey>), Trouble> {
        if let Some(csr) = &request.csr {
            let names = (!wanted.names.is_empty()).then_some(wanted.names);
            let rules = CsrRules {
                names,
                profile: wanted.profile,
                lifetime: wanted.lifetime,
                on_clamp: wanted.on_clamp,
                crl_url: wanted.crl_url,
            };
            return Ok((found.authority.sign_csr(csr, &rules, &*self.engine.random, self.now)?, None));
        }
        let kind = request.key.unwrap_or_default();
        let (authority, engine, now) = (Arc::clone(&found.authority), Arc::clone(&self.engine), self.now);
        let sign = move || {
            let key = PrivateKey::generate(kind)?;
            let issued = authority.issue(&wanted, &key, &*engine.random, now)?;
            Ok::<_, Trouble>((issued, Some(key)))
        };
        if kind.rsa_bits().is_none() {
            return sign();
        }
        tokio::task::spawn_blocking(sign)
            .await
            .map_err(|_| Trouble::new(Kind::Internal, "signing-panicked", "making a key panicked", "report this"))?
    }

    async fn record_issued(
        &self,
        tx: &mut Tx,
        authority: &str,
        row: &Certificate,
        reason: &str,
    ) -> Result<(), Trouble> {
        let written = vec![certificate::insert(tx, self.keyring(), row).await?];
        let facts = json!({
            "v": 1, "serial": row.serial, "names": row.names, "profile": row.profile, "not_after": Moment(row.not_after),
            "authority": authority,
        });
        let told =
            Told { subject: row.id.as_str(), kind: "certificate.issued", facts, reason, written, rotation: None };
        self.append(tx, told).await
    }
}

impl From<PrivateKey> for Password {
    fn from(key: PrivateKey) -> Self {
        let text: SecretText = key.to_pem();
        Self(text)
    }
}
