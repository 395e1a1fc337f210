//! Revocation, and the lists that tell of it (RFC 5280, 5): signed when something is revoked and again before they end.
//!
//! A list is a document. Two processes that sign at once meet in its revision: one of them signs again.

use std::sync::Arc;

use crate::pki::x509::{Reason, Revoked};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{authorities::key_of, key::Found, view::CertificateView};
use crate::{
    clock::micros,
    engine::{
        Engine, Kind, Trouble,
        ops::{
            asked::{Asked, Told, conflict, invalid, read_name},
            secret_fields::check_text,
            wire::Moment,
        },
    },
    model::{Actor, Certificate, DocumentId, Name},
    store::{Tx, Written, certificate, document, document::Document},
};

/// The type of a document that is a revocation list.
const CRL: &str = "crl";
/// How long a list is good.
const GOOD_FOR: TimeDelta = TimeDelta::days(7);
/// How long before its end it is signed again.
const AGAIN_BEFORE: TimeDelta = TimeDelta::days(3);
/// How long after its end a certificate stays on the list.
const KEPT_FOR: TimeDelta = TimeDelta::days(1);

/// A request to revoke.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RevokeCertificate {
    /// Why, by RFC 5280's names: `unspecified`, `key-compromise`, `affiliation-changed`, `superseded`,
    /// `cessation-of-operation`, `privilege-withdrawn`.
    pub because: String,
    /// Why, in words.
    pub reason: String,
}

/// A revocation list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CrlView {
    /// The authority.
    pub authority: String,
    /// Its number, which only grows.
    pub number: u64,
    /// How many certificates are on it.
    pub revoked: usize,
    /// When it was signed.
    pub this_update: Moment,
    /// Until when it is good.
    pub next_update: Moment,
    /// The list, as PEM.
    pub crl: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    issuer: String,
    #[serde(flatten)]
    view: CrlView,
}

fn read_reason(text: &str) -> Option<Reason> {
    serde_json::from_value(json!(text)).ok()
}

/// Revokes a certificate by its serial number, and signs the list of its authority anew.
///
/// Errors: `not-found`; `serial-ambiguous` where several authorities gave it; `already-revoked`; `reason-unknown`;
/// `not-ours` for a certificate of somebody else's authority.
pub async fn revoke(
    engine: &Arc<Engine>,
    actor: &Actor,
    serial: &str,
    request: RevokeCertificate,
) -> Result<CertificateView, Trouble> {
    check_text("reason", &request.reason)?;
    let because = if request.because.is_empty() { "unspecified" } else { &request.because };
    read_reason(because).ok_or_else(|| {
        let sentence = format!("`{because}` is no reason to revoke");
        invalid("reason-unknown", sentence, "choose `key-compromise`, `superseded`, `cessation-of-operation`, …")
    })?;
    let (serial, because) = (serial.to_lowercase().replace(':', ""), because.to_owned());
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move { asked.revoke_certificate(tx, &serial, &because, &request.reason).await })
        })
        .await
}

impl Asked {
    async fn revoke_certificate(
        &self,
        tx: &mut Tx,
        serial: &str,
        because: &str,
        reason: &str,
    ) -> Result<CertificateView, Trouble> {
        let found = certificate::list_by_serial(tx, self.keyring(), self.tenant(), serial).await?;
        let mut row = match found.as_slice() {
            [] => return Err(Trouble::not_found("certificate with the serial number", serial)),
            [row] => row.clone(),
            _ => {
                let sentence = format!("several authorities gave the serial number `{serial}`");
                return Err(conflict("serial-ambiguous", sentence, "revoke it at its authority"));
            }
        };
        if row.revoked_at.is_some() {
            let sentence = format!("`{serial}` is revoked already");
            return Err(conflict("already-revoked", sentence, "`keywheel cert list` shows when"));
        }
        let authority = self.authority_of(tx, &row).await?;
        row.revoked_at = Some(self.now);
        because.clone_into(&mut row.revoked_because);
        let written = vec![certificate::revoke(tx, self.keyring(), &mut row).await?];
        let facts = json!({ "v": 1, "serial": row.serial, "names": row.names, "because": because });
        let told =
            Told { subject: row.id.as_str(), kind: "certificate.revoked", facts, reason, written, rotation: None };
        self.append(tx, told).await?;
        self.sign_list(tx, &authority).await?;
        Ok(CertificateView::of(&row))
    }

    async fn authority_of(&self, tx: &mut Tx, row: &Certificate) -> Result<Found, Trouble> {
        let not_ours = || {
            let sentence = format!("`{}` was not signed by a key that is kept here", row.serial);
            conflict("not-ours", sentence, "revoke it at the authority that issued it")
        };
        let name = Name::parse(&row.authority).map_err(|_| not_ours())?;
        self.engine.find_signer(tx, &name, &row.issuer).await.ok().flatten().ok_or_else(not_ours)
    }

    /// Signs the list of an authority anew: all that is revoked and has not long ended.
    async fn sign_list(&self, tx: &mut Tx, found: &Found) -> Result<CrlView, Trouble> {
        let issuer = key_of(&found.authority);
        let rows = certificate::list_revoked(tx, self.keyring(), self.tenant(), &issuer, self.now - KEPT_FOR).await?;
        let revoked: Vec<Revoked> = rows
            .iter()
            .filter_map(|row| {
                let reason = read_reason(&row.revoked_because)?;
                Some(Revoked { serial: row.serial.clone(), at: row.revoked_at?, reason })
            })
            .collect();
        let known = document::find(tx, self.keyring(), self.tenant(), CRL, &issuer).await?;
        let before: Option<Body> = known.as_ref().and_then(|known| serde_json::from_value(known.body.clone()).ok());
        let number = before.map_or(1, |before| before.view.number + 1);
        let next_update = self.now + GOOD_FOR;
        let signed = found.authority.sign_crl(number, &revoked, self.now, next_update)?;
        let view = CrlView {
            authority: found.secret.name.to_string(),
            number,
            revoked: revoked.len(),
            this_update: self.now.into(),
            next_update: next_update.into(),
            crl: signed.pem(),
        };
        let mut row = known.unwrap_or_else(|| self.new_list(&issuer));
        row.body = json!(Body { issuer, view: view.clone() });
        let written = document::put(tx, self.keyring(), &mut row).await?;
        self.tell_signed(tx, &row, &view, written).await?;
        Ok(view)
    }

    fn new_list(&self, issuer: &str) -> Document {
        Document {
            id: self.engine.mint(DocumentId::mint),
            tenant: self.tenant().clone(),
            kind: CRL.to_owned(),
            name: issuer.to_owned(),
            body: serde_json::Value::Null,
            created_at: self.now,
            created_by: self.actor.clone(),
            revision: 0,
        }
    }

    async fn tell_signed(&self, tx: &mut Tx, row: &Document, view: &CrlView, written: Written) -> Result<(), Trouble> {
        let facts = json!({
            "v": 1, "authority": view.authority, "number": view.number, "revoked": view.revoked,
            "next_update": micros(view.next_update.0),
        });
        let told = Told {
            subject: row.id.as_str(),
            kind: "crl.signed",
            facts,
            reason: "",
            written: vec![written],
            rotation: None,
        };
        self.append(tx, told).await
    }
}

/// The revocation list of an authority, signed now where there is none yet. Errors: `not-found`, `not-an-authority`.
pub async fn show(engine: &Arc<Engine>, actor: &Actor, authority: &str) -> Result<CrlView, Trouble> {
    let name = read_name(authority)?;
    let mut tx = engine.store.read().await?;
    let found = engine.find_authority(&mut tx, &name).await?;
    let issuer = key_of(&found.authority);
    let known = document::find(&mut tx, engine.keyring(), &engine.tenant, CRL, &issuer).await?;
    drop(tx);
    match known.and_then(|known| serde_json::from_value::<Body>(known.body).ok()) {
        Some(body) if body.view.next_update.0 > engine.now() => Ok(body.view),
        _ => sign(engine, actor, authority).await,
    }
}

/// Signs the revocation list of an authority anew. Errors: `not-found`, `not-an-authority`.
pub async fn sign(engine: &Arc<Engine>, actor: &Actor, authority: &str) -> Result<CrlView, Trouble> {
    let name = read_name(authority)?;
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = asked.engine.find_authority(tx, &name).await?;
                asked.sign_list(tx, &found).await
            })
        })
        .await
}

impl Engine {
    /// Signs a list anew by the key that signed it.
    async fn sign_again(self: &Arc<Self>, body: &Body) -> Result<(), Trouble> {
        let (name, issuer) = (read_name(&body.view.authority)?, body.issuer.clone());
        let asked = Asked::new(self, &Actor::daemon());
        asked
            .write(move |asked, tx| {
                Box::pin(async move {
                    match asked.engine.find_signer(tx, &name, &issuer).await? {
                        Some(found) => asked.sign_list(tx, &found).await.map(|_| ()),
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    /// Signs every list anew that ends soon. Harmless to miss or repeat.
    pub(crate) async fn sign_lists_again(self: &Arc<Self>) -> Result<usize, Trouble> {
        let mut tx = self.store.read().await?;
        let lists = document::list(&mut tx, self.keyring(), &self.tenant, CRL, "", 1_000).await?;
        drop(tx);
        let soon = |at: DateTime<Utc>| at - AGAIN_BEFORE <= self.now();
        let ending = lists.into_iter().filter_map(|list| serde_json::from_value::<Body>(list.body).ok());
        let mut signed = 0;
        for body in ending.filter(|body| soon(body.view.next_update.0)) {
            match self.sign_again(&body).await {
                Ok(()) => signed += 1,
                Err(trouble) if trouble.kind == Kind::NotFound => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(signed)
    }
}
