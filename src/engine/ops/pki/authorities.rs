//! Authorities that this store keeps: made, brought along, shown. Their keys are sealed like any secret and never
//! answered; what they sign is recorded.

use std::{sync::Arc, time::Duration};

use crate::pki::x509::{Authority, AuthorityRequest, KeyKind, NameConstraint};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    key::{AUTHORITY, Found},
    record::{Of, chain_pem, issuer_of},
    rollover::RolloverView,
};
use crate::{
    engine::{
        Engine, Trouble,
        ops::{
            asked::{Asked, conflict, invalid, read_name},
            secret_fields::{Birth, check_text},
            secrets::About,
            wire::{Moment, Password},
        },
    },
    model::{Actor, Name},
    schedule::HumanDuration,
    store::{Tx, agenda, certificate, secret, version},
};

/// How long a root lives where nobody says: ten years.
const ROOT_LIFE: Duration = Duration::from_hours(3_650 * 24);
/// How many authorities one above the other are looked at.
const DEEPEST: usize = 8;
/// How long an intermediate lives where nobody says: five years.
const INTERMEDIATE_LIFE: Duration = Duration::from_hours(1_825 * 24);

/// An authority as somebody wants it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CreateAuthority {
    /// Its common name; its name here if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// Its organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Its key: `p256` (the default), `p384`, `ed25519`, `rsa-2048`, `rsa-3072`, `rsa-4096`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<KeyKind>,
    /// How long it lives, such as `3650d`: ten years for a root, five for an intermediate where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
    /// The authority that signs it; a root if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// How many authorities may follow below it: any number where it is not given, none for an intermediate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_length: Option<u8>,
    /// Names that certificates below it may carry alone: `example.org`, `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permit: Vec<String>,
    /// Names that certificates below it may not carry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// An authority that exists already, instead of a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportAuthority>,
    /// What is said about it.
    pub about: About,
    /// Why.
    pub reason: String,
}

/// An authority that was made elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportAuthority {
    /// Its private key, as PEM.
    pub private_key: Password,
    /// Its certificate and those above it up to the root, as PEM.
    pub certificates: String,
}

/// An authority, but its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorityView {
    /// Its name.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Whether it signed itself.
    pub is_root: bool,
    /// Who signed it.
    pub issuer: String,
    /// Its serial number.
    pub serial: String,
    /// What its key is, such as `EC P-256`.
    pub key: String,
    /// The identifier of its key.
    pub key_id: String,
    /// How many authorities may follow below it.
    pub path_length: Option<u32>,
    /// When its life begins.
    pub not_before: Moment,
    /// When its life ends.
    pub not_after: Moment,
    /// How many certificates by it are alive.
    pub alive: i64,
    /// When the last of them ends.
    pub last_ends_at: Option<Moment>,
    /// The number of the version that signs.
    pub version: i64,
    /// Its certificate, as PEM.
    pub certificate: String,
    /// The certificates between it and the root, as PEM.
    pub chain: String,
    /// The root, which clients trust, as PEM.
    pub ca: String,
    /// Every root that clients should trust now, while a rollover is under way the old one and the new, as PEM.
    pub anchors: String,
    /// How far the rollover is, where one is under way.
    pub rollover: Option<RolloverView>,
}

fn read_life(text: Option<&str>, usual: Duration) -> Result<Duration, Trouble> {
    let Some(text) = text else { return Ok(usual) };
    let read: HumanDuration = text.parse().map_err(|error: crate::schedule::DurationError| {
        invalid(error.code(), format!("`lifetime`: {error}"), error.hint())
    })?;
    Ok(read.as_duration())
}

fn read_constraints(texts: &[String]) -> Result<Vec<NameConstraint>, Trouble> {
    texts.iter().map(|text| NameConstraint::parse(text).map_err(Trouble::from)).collect()
}

impl CreateAuthority {
    /// What its successor is made by; nothing of one that was made elsewhere.
    fn kept(&self, name: &Name) -> serde_json::Value {
        if self.import.is_some() {
            return json!({});
        }
        json!(Self {
            common_name: Some(self.common_name.clone().unwrap_or_else(|| name.to_string())),
            import: None,
            about: About::default(),
            reason: String::new(),
            ..self.clone()
        })
    }

    fn request(&self, name: &Name) -> Result<AuthorityRequest, Trouble> {
        let usual = if self.parent.is_some() { INTERMEDIATE_LIFE } else { ROOT_LIFE };
        Ok(AuthorityRequest {
            common_name: self.common_name.clone().unwrap_or_else(|| name.to_string()),
            organisation: self.organisation.clone(),
            key: self.key.unwrap_or_default(),
            lifetime: read_life(self.lifetime.as_deref(), usual)?,
            path_length: self.path_length.or(self.parent.is_some().then_some(0)),
            permitted: read_constraints(&self.permit)?,
            excluded: read_constraints(&self.exclude)?,
        })
    }
}

/// Makes an authority, or brings one along. Errors: `name-taken`, what the request says wrong; `not-an-authority` of
/// the parent.
pub async fn create(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    request: CreateAuthority,
) -> Result<AuthorityView, Trouble> {
    check_text("reason", &request.reason)?;
    let name = read_name(name)?;
    let asked = Asked::new(engine, actor);
    let made = Arc::new(asked.make(&name, &request).await?);
    let named = name.clone();
    asked
        .write(move |asked, tx| Box::pin(async move { asked.insert_authority(tx, named, &made, &request).await }))
        .await?;
    show(engine, actor, name.as_str()).await
}

/// An authority that is not in the store yet.
pub(super) struct Made {
    pub(super) authority: Authority,
    parent: Option<String>,
}

impl Asked {
    pub(super) async fn make(&self, name: &Name, request: &CreateAuthority) -> Result<Made, Trouble> {
        let engine = Arc::clone(&self.engine);
        if let Some(import) = &request.import {
            if request.parent.is_some() || request.key.is_some() {
                let sentence = "an authority that is imported has its key and its parent already";
                return Err(invalid("import-and-make", sentence, "leave `key` and `parent` out"));
            }
            let authority = Authority::import(import.private_key.0.expose(), &import.certificates)?;
            return Ok(Made { authority, parent: None });
        }
        let wanted = request.request(name)?;
        let parent = match &request.parent {
            Some(parent) => {
                let mut tx = engine.store.read().await?;
                Some(engine.find_authority(&mut tx, &read_name(parent)?).await?)
            }
            None => None,
        };
        let now = self.now;
        // An RSA key takes its time.
        let made = tokio::task::spawn_blocking(move || match parent {
            Some(Found { authority, secret, .. }) => {
                let made = authority.create_intermediate(&wanted, &*engine.random, now)?;
                Ok((made, Some(secret.name.to_string())))
            }
            None => Ok((Authority::create_root(&wanted, &*engine.random, now)?, None)),
        });
        let made: Result<_, Trouble> = made.await.map_err(|_| {
            Trouble::new(crate::engine::Kind::Internal, "authority-panicked", "making it panicked", "report this")
        })?;
        let (authority, parent) = made?;
        Ok(Made { authority, parent })
    }

    async fn insert_authority(
        &self,
        tx: &mut Tx,
        name: Name,
        made: &Made,
        request: &CreateAuthority,
    ) -> Result<(), Trouble> {
        if self.find_secret(tx, &name).await?.is_some() {
            let hint = "choose another name; `keywheel ca rotate` gives an authority a new key";
            return Err(conflict("name-taken", format!("a secret is named `{name}` already"), hint));
        }
        let certificate = made.authority.certificate();
        let facts = certificate.facts();
        let mut fresh = self.new_secret(name, AUTHORITY);
        request.about.apply_to(&mut fresh)?;
        fresh.settings = request.kept(&fresh.name);
        fresh.expires_at = Some(facts.not_after);
        fresh.next_number = 2;
        let value = made.authority.to_material();
        let identity = facts.serial.clone();
        let birth = Birth { secret: &fresh.id, value: &value, identity, number: 1, published_at: self.now };
        let first = self.seal_current(birth)?;
        let of = Of {
            authority: made.parent.as_deref().unwrap_or(fresh.name.as_str()),
            profile: "authority",
            actor: &self.actor,
            version: Some(&first),
        };
        let row = self.engine.certificate_row(certificate, &of);
        let written = vec![
            secret::insert(tx, self.keyring(), &fresh).await?,
            version::insert(tx, self.keyring(), &first).await?,
            certificate::insert(tx, self.keyring(), &row).await?,
        ];
        agenda::insert(tx, fresh.id.as_str(), self.tenant(), "", Some(self.now)).await?;
        let facts = json!({
            "v": 1, "name": fresh.name, "kind": AUTHORITY, "version": first.id, "number": 1, "serial": row.serial,
            "subject": facts.subject, "parent": made.parent, "is_imported": request.import.is_some(),
        });
        self.tell(tx, &fresh, "secret.created", facts, &request.reason, written).await
    }

    async fn view_authority(&self, tx: &mut Tx, found: &Found) -> Result<AuthorityView, Trouble> {
        let certificate = found.authority.certificate();
        let facts = certificate.facts();
        let key_id = facts.ski.clone().unwrap_or_default();
        let (alive, last) = certificate::outlook(tx, self.tenant(), &key_id, self.now).await?;
        Ok(AuthorityView {
            name: found.secret.name.to_string(),
            subject: facts.subject.clone(),
            is_root: certificate.der() == found.authority.root().der(),
            issuer: facts.issuer.clone(),
            serial: facts.serial.clone(),
            key: facts.key.clone(),
            key_id,
            path_length: facts.path_length,
            not_before: facts.not_before.into(),
            not_after: facts.not_after.into(),
            alive,
            last_ends_at: last.map(Moment),
            version: found.current.number.unwrap_or_default(),
            certificate: certificate.pem(),
            chain: chain_pem(&found.authority.chain()),
            ca: found.authority.root().pem(),
            anchors: self.anchors(tx, found).await?,
            rollover: self.view_rollover(tx, &found.secret).await?,
        })
    }
}

impl Asked {
    /// The roots of every key that has signed or will sign, of the authority and of those above it, each named one
    /// time.
    async fn anchors(&self, tx: &mut Tx, found: &Found) -> Result<String, Trouble> {
        let mut roots = vec![found.authority.root().pem()];
        let mut at = Some(found.secret.clone());
        for _ in 0..DEEPEST {
            let Some(authority) = at.take() else { break };
            for live in version::list_live(tx, self.keyring(), self.tenant(), &authority.id).await? {
                let root = self.engine.make_ready(&live)?.root().pem();
                if !roots.contains(&root) {
                    roots.push(root);
                }
            }
            let parent = authority.settings.get("parent").and_then(|parent| parent.as_str());
            if let Some(parent) = parent.map(read_name).transpose()? {
                at = self.find_secret(tx, &parent).await?.filter(|parent| parent.kind == AUTHORITY);
            }
        }
        Ok(roots.concat())
    }
}

/// Shows an authority. Errors: `not-found`, `not-an-authority`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<AuthorityView, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = engine.find_authority(&mut tx, &read_name(name)?).await?;
    asked.view_authority(&mut tx, &found).await
}

/// Lists the authorities by name.
pub async fn list(engine: &Arc<Engine>, actor: &Actor) -> Result<Vec<AuthorityView>, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let secrets = secret::list_of_kind(&mut tx, engine.keyring(), &engine.tenant, AUTHORITY).await?;
    let mut views = Vec::with_capacity(secrets.len());
    for secret in secrets.iter().filter(|secret| secret.deleted_at.is_none()) {
        let found = engine.find_authority(&mut tx, &secret.name).await?;
        views.push(asked.view_authority(&mut tx, &found).await?);
    }
    Ok(views)
}

/// The identifier of the key that an authority signs with.
pub(super) fn key_of(authority: &Authority) -> String {
    let facts = authority.certificate().facts();
    facts.ski.clone().unwrap_or_else(|| issuer_of(facts))
}
