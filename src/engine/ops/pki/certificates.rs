//! Certificates that renew themselves: a secret, its target (where it is installed and must be seen), its schedule.

use std::{sync::Arc, time::Duration};

use crate::pki::x509::{KeyKind, Profile};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    issue::{LEAF_LIFE, read_lifetime, read_names},
    record::CERTIFICATE,
    view::{CertificateView, ManagedCertificate},
};
use crate::{
    engine::{
        Engine, Trouble,
        ops::{
            adopt::{self, AdoptSecret, Adopted},
            asked::{Asked, conflict, invalid, read_name},
            secrets::About,
            targets::{self, PutTarget},
            wire::{Moment, moment},
        },
    },
    model::{Actor, Secret},
    schedule::ScheduleText,
    store::{Tx, alert, certificate, schedule, secret, target, version},
};

/// Under this lifetime half of it is left at renewal, else a third: ten days.
const SHORT: Duration = Duration::from_hours(10 * 24);
/// The kind of the rotator.
pub const ROTATOR: &str = "certificate";

/// A certificate that is to be kept alive.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeepCertificate {
    /// The authority that signs it, or the ACME accounts that order it.
    pub authority: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// Its common name.
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
    /// How long each lives, such as `90d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
    /// Whether one may live shorter, where its authority ends sooner.
    pub may_be_shorter: bool,
    /// Where it is installed: an install root of the configuration file and a folder below it, such as `nginx/shop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install: Option<String>,
    /// The hook that checks the configuration of the service before it is reloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The hook that has the service read the new certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload: Option<String>,
    /// Where it must be seen to be served: objects with `address`, and perhaps `server_name` and `starttls`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub probes: Vec<Value>,
    /// How ACME proves that the names are ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub acme: Option<Value>,
    /// The share of its life after which it is renewed: `2/3` where nobody says, `1/2` for lives under ten days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_at: Option<String>,
    /// Whether the one before is revoked when it is retired.
    pub revoke_old: bool,
    /// Codes of promises that are knowingly given up.
    pub acknowledge: Vec<String>,
    /// What is said about it.
    pub about: About,
    /// Why.
    pub reason: String,
}

fn put_some<T: Serialize>(map: &mut Map<String, Value>, key: &str, value: Option<T>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), json!(value));
    }
}

impl KeepCertificate {
    fn target_settings(&self) -> Value {
        let mut settings = Map::new();
        put_some(&mut settings, "install", self.install.as_ref());
        put_some(&mut settings, "check", self.check.as_ref());
        put_some(&mut settings, "reload", self.reload.as_ref());
        put_some(&mut settings, "probes", (!self.probes.is_empty()).then_some(&self.probes));
        put_some(&mut settings, "acme", self.acme.as_ref());
        Value::Object(settings)
    }

    fn secret_settings(&self) -> Value {
        let mut settings = Map::new();
        settings.insert("names".to_owned(), json!(self.names));
        put_some(&mut settings, "common_name", self.common_name.as_ref());
        put_some(&mut settings, "organisation", self.organisation.as_ref());
        put_some(&mut settings, "profile", self.profile);
        put_some(&mut settings, "key", self.key);
        put_some(&mut settings, "lifetime", self.lifetime.as_ref());
        put_some(&mut settings, "on_clamp", self.may_be_shorter.then_some("shorten"));
        put_some(&mut settings, "revoke_old", self.revoke_old.then_some(true));
        Value::Object(settings)
    }

    fn schedule(&self) -> ScheduleText {
        let life = read_lifetime(self.lifetime.as_deref()).unwrap_or(LEAF_LIFE);
        let usual = if life < SHORT { "1/2" } else { "2/3" };
        let share = self.renew_at.clone().unwrap_or_else(|| usual.to_owned());
        ScheduleText { at_lifetime: Some(share), ..ScheduleText::default() }
    }
}

/// Keeps a certificate alive from now on: the first is issued, installed and proven at once.
///
/// Errors: `name-taken`, `names-missing`; what the authority, the target or the rotator says about it;
/// `preflight-blocked`.
pub async fn keep(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    request: KeepCertificate,
) -> Result<Adopted, Trouble> {
    if read_names(&request.names)?.is_empty() {
        let sentence = "a certificate without a name serves nobody";
        return Err(invalid("names-missing", sentence, "name what it is for: `--dns shop.example.org`"));
    }
    read_lifetime(request.lifetime.as_deref())?;
    let asked = Asked::new(engine, actor);
    asked.refuse_taken(name).await?;
    let place = PutTarget {
        rotator: ROTATOR.to_owned(),
        settings: request.target_settings(),
        admin: Some(request.authority.clone()),
        parallel: None,
        acknowledge: Vec::new(),
        admin_password: None,
        reason: request.reason.clone(),
    };
    let is_new_place = targets::put(engine, actor, name, place).await?.is_new;
    let mut acknowledge = request.acknowledge.clone();
    // Its life begins with the first certificate: until then there is none to take a share of.
    acknowledge.push("schedule-without-lifetime".to_owned());
    let adoption = AdoptSecret {
        target: name.to_owned(),
        settings: request.secret_settings(),
        unknown: true,
        acknowledge,
        kind: Some(CERTIFICATE.to_owned()),
        schedule: Some(request.schedule()),
        about: request.about.clone(),
        reason: if request.reason.is_empty() { "first certificate".to_owned() } else { request.reason.clone() },
        ..AdoptSecret::default()
    };
    let kept = adopt::adopt(engine, actor, name, adoption).await;
    if kept.is_err() && is_new_place {
        // Nothing takes effect there; one that stays all the same is written over by the next try.
        let _ = targets::delete(engine, actor, name, "its certificate was refused".to_owned()).await;
    }
    kept
}

impl Asked {
    /// Refuses a name that a living certificate has; one whose first was never proven may be asked for again.
    async fn refuse_taken(&self, name: &str) -> Result<(), Trouble> {
        let mut tx = self.engine.store.read().await?;
        let Some(found) = self.find_secret(&mut tx, &read_name(name)?).await? else { return Ok(()) };
        let current = version::find_current(&mut tx, self.keyring(), self.tenant(), &found.id).await?;
        if found.kind == CERTIFICATE && current.is_none() {
            return Ok(());
        }
        let hint = format!("`keywheel rotate {name}` renews it; `keywheel target put {name} …` changes where it lives");
        Err(conflict("name-taken", format!("a secret is named `{name}` already"), hint))
    }

    async fn managed(&self, tx: &mut Tx, found: &Secret) -> Result<ManagedCertificate, Trouble> {
        let (keyring, tenant) = (self.keyring(), self.tenant());
        let place = match &found.target {
            Some(id) => target::find(tx, keyring, tenant, id).await?,
            None => None,
        };
        let current = version::find_current(tx, keyring, tenant, &found.id).await?;
        let row = match &current {
            Some(current) => certificate::find_of_secret(tx, keyring, tenant, &found.id, &current.identity).await?,
            None => None,
        };
        let planned = schedule::find(tx, keyring, tenant, &found.id).await?;
        let alerts = alert::list_open(tx, tenant, Some(found.id.as_str())).await?;
        let settings = place.as_ref().map(|place| &place.settings);
        let texts = |value: Option<&Value>, key: Option<&str>| -> Vec<String> {
            let items = value.and_then(Value::as_array).into_iter().flatten();
            let text = |item: &Value| key.map_or(item.as_str(), |key| item[key].as_str()).map(str::to_owned);
            items.filter_map(text).collect()
        };
        Ok(ManagedCertificate {
            name: found.name.to_string(),
            authority: place.as_ref().and_then(|p| p.admin.as_ref()).map(ToString::to_string).unwrap_or_default(),
            names: texts(found.settings.get("names"), None),
            version: current.as_ref().and_then(|current| current.number),
            serial: row.as_ref().map(|row| row.serial.clone()),
            not_after: row.as_ref().map(|row| Moment(row.not_after)),
            next_due_at: moment(planned.and_then(|row| row.next_due_at)),
            rotation: found.rotation.as_ref().map(ToString::to_string),
            install: settings.and_then(|s| s["install"].as_str()).map(str::to_owned),
            endpoints: texts(settings.and_then(|s| s.get("probes")), Some("address")),
            alerts: alerts.iter().map(|alert| alert.kind.clone()).collect(),
        })
    }
}

/// Lists the certificates that renew themselves, by name.
pub async fn list(engine: &Arc<Engine>, actor: &Actor) -> Result<Vec<ManagedCertificate>, Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let secrets = secret::list_of_kind(&mut tx, engine.keyring(), &engine.tenant, CERTIFICATE).await?;
    let mut lines = Vec::with_capacity(secrets.len());
    for found in secrets.iter().filter(|found| found.deleted_at.is_none()) {
        lines.push(asked.managed(&mut tx, found).await?);
    }
    Ok(lines)
}

/// Shows a certificate that renews itself, and what its current version is. Errors: `not-found`.
pub async fn show(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
) -> Result<(ManagedCertificate, Option<CertificateView>), Trouble> {
    let asked = Asked::new(engine, actor);
    let mut tx = engine.store.read().await?;
    let found = asked.load_secret(&mut tx, name).await?;
    let managed = asked.managed(&mut tx, &found).await?;
    let current = version::find_current(&mut tx, asked.keyring(), asked.tenant(), &found.id).await?;
    let row = match &current {
        Some(current) => {
            let (keyring, tenant) = (asked.keyring(), asked.tenant());
            certificate::find_of_secret(&mut tx, keyring, tenant, &found.id, &current.identity).await?
        }
        None => None,
    };
    Ok((managed, row.as_ref().map(CertificateView::of)))
}

/// A page of everything that an authority issued, or all authorities for an empty name; the newest first.
pub async fn issued(
    engine: &Arc<Engine>,
    authority: &str,
    before: &str,
    limit: Option<i64>,
) -> Result<Vec<CertificateView>, Trouble> {
    let limit = limit.unwrap_or(100).clamp(1, 1_000);
    let mut tx = engine.store.read().await?;
    let rows = certificate::list(&mut tx, engine.keyring(), &engine.tenant, authority, before, limit).await?;
    Ok(rows.iter().map(CertificateView::of).collect())
}
