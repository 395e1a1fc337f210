//! The rollover of an authority: the successor's anchor is published first, then it signs, then what the old one signed
//! is renewed in waves, and the old key is retired when its last certificate has ended.
//!
//! How far it is stands in a document. Each stage is one transaction, done again after a crash from what stands there;
//! a stage that has been done finds itself done. Nothing is in a hurry: a certificate by the old key stays good.

use std::sync::Arc;

use crate::pki::x509::{Authority, KeyKind};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    authorities::{CreateAuthority, key_of},
    key::{AUTHORITY, Found},
    record::{CERTIFICATE, Of},
};
use crate::{
    clock::{from_micros, micros},
    engine::{
        Engine, Kind, Trouble,
        ops::{
            asked::{Asked, conflict, read_name},
            rotate::request_occurrence,
            secret_fields::{Birth, check_text, read_duration},
            wire::Moment,
        },
    },
    model::{Actor, DocumentId, Name, Secret, SecretId, Stage, VersionId},
    store::{Tx, agenda, certificate, document, document::Document, occurrence, secret, target, version},
};

/// The type of a document that is a rollover.
const ROLLOVER: &str = "rollover";
/// How long clients have to learn of a new root, where nobody says.
const ROOT_SWITCHES_AFTER: &str = "7d";
/// Over how long what the old key signed is renewed, where nobody says.
const SPREAD: &str = "1h";

/// A rollover as somebody wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RotateAuthority {
    /// How long the new anchor is published before it signs: seven days for a root, at once for an intermediate, whose
    /// anchor stays, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch_after: Option<String>,
    /// Over how long what the old key signed is renewed, such as `1h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<String>,
    /// Another kind of key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key: Option<KeyKind>,
    /// Another lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<String>,
    /// Why.
    pub reason: String,
}

/// How far a rollover is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolloverView {
    /// `announced`: the new anchor is published; `switched`: the new key signs.
    pub stage: String,
    /// When the new key signs, or began to.
    pub switch_at: Moment,
    /// How many certificates by the old key are alive.
    pub left: i64,
    /// When the last of them ends.
    pub last_ends_at: Option<Moment>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Body {
    v: u32,
    authority: SecretId,
    successor: VersionId,
    old_issuer: String,
    switch_at: i64,
    spread_us: i64,
    switched_at: Option<i64>,
}

/// Begins the rollover of an authority.
///
/// Errors: `not-found`, `not-an-authority`, `rollover-running`; `authority-not-made-here` for one that was imported,
/// whose successor its owner must make.
pub async fn begin(
    engine: &Arc<Engine>,
    actor: &Actor,
    name: &str,
    request: RotateAuthority,
) -> Result<RolloverView, Trouble> {
    check_text("reason", &request.reason)?;
    let asked = Asked::new(engine, actor);
    let name = read_name(name)?;
    let made = Arc::new(asked.make_successor(&name, &request).await?);
    let named = name.clone();
    asked.write(move |asked, tx| Box::pin(async move { asked.announce(tx, &named, &made, &request).await })).await?;
    engine.advance_rollovers().await?;
    let mut tx = engine.store.read().await?;
    let found = engine.find_authority(&mut tx, &name).await?;
    let view = asked.view_rollover(&mut tx, &found.secret).await?;
    view.ok_or_else(|| Trouble::not_found("rollover of", name.as_str()))
}

/// Has the successor sign from now on, whoever has not learned of it yet. Errors: `not-found`.
pub async fn switch_now(engine: &Arc<Engine>, actor: &Actor, name: &str) -> Result<(), Trouble> {
    let asked = Asked::new(engine, actor);
    let name = read_name(name)?;
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let found = asked.engine.find_authority(tx, &name).await?;
                let (mut row, mut body) = asked
                    .find_rollover(tx, &found.secret.id)
                    .await?
                    .ok_or_else(|| Trouble::not_found("rollover of", name.as_str()))?;
                body.switch_at = body.switch_at.min(micros(asked.now));
                row.body = json!(body);
                let written = document::put(tx, asked.keyring(), &mut row).await?;
                let facts = json!({ "v": 1, "switch_at": body.switch_at });
                asked.tell(tx, &found.secret, "authority.hurried", facts, "", vec![written]).await
            })
        })
        .await?;
    engine.advance_rollovers().await.map(|_: usize| ())
}

/// A successor that is not in the store yet.
struct Successor {
    authority: Authority,
    before: Found,
    is_root: bool,
}

impl Asked {
    async fn make_successor(&self, name: &Name, request: &RotateAuthority) -> Result<Successor, Trouble> {
        let mut tx = self.engine.store.read().await?;
        let before = self.engine.find_authority(&mut tx, name).await?;
        if self.find_rollover(&mut tx, &before.secret.id).await?.is_some() {
            let hint = format!("`keywheel ca show {name}` tells how far it is");
            return Err(conflict("rollover-running", format!("a rollover of `{name}` is under way"), hint));
        }
        drop(tx);
        let made = CreateAuthority::deserialize(&before.secret.settings)
            .ok()
            .filter(|made| made.common_name.is_some())
            .ok_or_else(|| {
                let sentence = format!("`{name}` was not made here, and neither is its successor");
                let hint = "bring the successor along under a name of its own, and let targets name that";
                conflict("authority-not-made-here", sentence, hint)
            })?;
        let wanted = CreateAuthority {
            key: request.key.or(made.key),
            lifetime: request.lifetime.clone().or_else(|| made.lifetime.clone()),
            ..made
        };
        let is_root = wanted.parent.is_none();
        let authority = self.make(name, &wanted).await?.authority;
        Ok(Successor { authority, before, is_root })
    }

    async fn announce(
        &self,
        tx: &mut Tx,
        name: &Name,
        made: &Successor,
        request: &RotateAuthority,
    ) -> Result<(), Trouble> {
        let locked = self.lock_living(tx, name.as_str()).await?;
        if locked.revision != made.before.secret.revision {
            return Err(conflict("changed-meanwhile", format!("`{name}` was changed meanwhile"), "try it again"));
        }
        let usual = if made.is_root { ROOT_SWITCHES_AFTER } else { "0s" };
        let wait = read_duration("switch_after", request.switch_after.as_deref().unwrap_or(usual))?;
        let certificate = made.authority.certificate();
        let identity = certificate.facts().serial.clone();
        let value = made.authority.to_material();
        let birth = Birth { secret: &locked.id, value: &value, identity, number: 0, published_at: self.now };
        let mut successor = self.seal_current(birth)?;
        (successor.stage, successor.number, successor.published_at) = (Stage::Candidate, None, None);
        let of = Of { authority: name.as_str(), profile: "authority", actor: &self.actor, version: Some(&successor) };
        let row = self.engine.certificate_row(certificate, &of);
        let body = Body {
            v: 1,
            authority: locked.id.clone(),
            successor: successor.id.clone(),
            old_issuer: key_of(&made.before.authority),
            switch_at: micros(self.now).saturating_add(wait),
            spread_us: read_duration("spread", request.spread.as_deref().unwrap_or(SPREAD))?,
            switched_at: None,
        };
        let mut kept = self.new_rollover(&body);
        let written = vec![
            version::insert(tx, self.keyring(), &successor).await?,
            certificate::insert(tx, self.keyring(), &row).await?,
            document::put(tx, self.keyring(), &mut kept).await?,
        ];
        let facts = json!({ "v": 1, "successor": successor.id, "serial": row.serial, "switch_at": body.switch_at });
        self.tell(tx, &locked, "authority.announced", facts, &request.reason, written).await
    }

    fn new_rollover(&self, body: &Body) -> Document {
        Document {
            id: self.engine.mint(DocumentId::mint),
            tenant: self.tenant().clone(),
            kind: ROLLOVER.to_owned(),
            name: body.authority.as_str().to_owned(),
            body: json!(body),
            created_at: self.now,
            created_by: self.actor.clone(),
            revision: 0,
        }
    }

    async fn find_rollover(&self, tx: &mut Tx, authority: &SecretId) -> Result<Option<(Document, Body)>, Trouble> {
        let found = document::find(tx, self.keyring(), self.tenant(), ROLLOVER, authority.as_str()).await?;
        let read = |row: Document| {
            let body = serde_json::from_value(row.body.clone()).map_err(|error| {
                Trouble::new(Kind::Internal, "rollover-unreadable", error.to_string(), "restore a backup")
            })?;
            Ok((row, body))
        };
        found.map(read).transpose()
    }

    /// How far the rollover of an authority is, where one is under way.
    pub(super) async fn view_rollover(&self, tx: &mut Tx, authority: &Secret) -> Result<Option<RolloverView>, Trouble> {
        let Some((_, body)) = self.find_rollover(tx, &authority.id).await? else { return Ok(None) };
        let (left, last) = certificate::outlook(tx, self.tenant(), &body.old_issuer, self.now).await?;
        Ok(Some(RolloverView {
            stage: if body.switched_at.is_some() { "switched" } else { "announced" }.to_owned(),
            switch_at: from_micros(body.switched_at.unwrap_or(body.switch_at)).into(),
            left,
            last_ends_at: last.map(Moment),
        }))
    }

    /// The successor signs from now on. Answers the authorities below, which roll over in turn.
    async fn switch(&self, tx: &mut Tx, authority: &SecretId) -> Result<Vec<Name>, Trouble> {
        agenda::lock(tx, authority.as_str()).await?;
        let Some((mut row, mut body)) = self.find_rollover(tx, authority).await? else { return Ok(Vec::new()) };
        let found = secret::find(tx, self.keyring(), self.tenant(), authority).await?;
        let Some(mut found) = found.filter(|_| body.switched_at.is_none()) else { return Ok(Vec::new()) };
        let mut written = Vec::new();
        for mut version in version::list_live(tx, self.keyring(), self.tenant(), authority).await? {
            if version.id == body.successor {
                version.stage = Stage::Current;
                version.number = Some(found.next_number);
                version.published_at = Some(self.now);
                let successor = Authority::from_material(&self.engine.open(&version)?)?;
                found.expires_at = Some(successor.certificate().facts().not_after);
            } else if version.stage == Stage::Current {
                version.stage = Stage::Previous;
            } else {
                continue;
            }
            written.push(version::update(tx, self.keyring(), &mut version).await?);
        }
        found.next_number += 1;
        written.push(secret::update(tx, self.keyring(), &mut found).await?);
        body.switched_at = Some(micros(self.now));
        row.body = json!(body);
        written.push(document::put(tx, self.keyring(), &mut row).await?);
        let facts = json!({ "v": 1, "successor": body.successor, "number": found.next_number - 1 });
        self.tell(tx, &found, "authority.switched", facts, "", written).await?;
        self.renew_in_waves(tx, &found.name, body.spread_us).await?;
        self.children_of(tx, &found.name).await
    }

    /// Asks for a renewal of everything that the authority keeps alive, spread over a time.
    async fn renew_in_waves(&self, tx: &mut Tx, authority: &Name, spread_us: i64) -> Result<(), Trouble> {
        let mut leaves = Vec::new();
        for place in target::list(tx, self.keyring(), self.tenant()).await? {
            if place.admin.as_ref() == Some(authority) {
                leaves.extend(secret::list_of_target(tx, self.keyring(), self.tenant(), &place.id).await?);
            }
        }
        leaves.retain(|leaf| leaf.kind == CERTIFICATE && leaf.deleted_at.is_none());
        let step = spread_us / i64::try_from(leaves.len()).unwrap_or(i64::MAX).max(1);
        for (at, leaf) in leaves.iter().enumerate() {
            let wait = TimeDelta::microseconds(step.saturating_mul(i64::try_from(at).unwrap_or(i64::MAX)));
            let mut wanted = request_occurrence(self, leaf, &format!("the authority `{authority}` has a new key"));
            wanted.not_before = Some(self.now + wait);
            occurrence::insert(tx, &wanted).await?;
            let facts = json!({ "v": 1, "occurrence": wanted.id, "not_before": wanted.not_before.map(Moment) });
            self.tell(tx, leaf, "rotation.requested", facts, "rollover of the authority", Vec::new()).await?;
            agenda::pull(tx, leaf.id.as_str(), self.now).await?;
        }
        Ok(())
    }

    async fn children_of(&self, tx: &mut Tx, parent: &Name) -> Result<Vec<Name>, Trouble> {
        let all = secret::list_of_kind(tx, self.keyring(), self.tenant(), AUTHORITY).await?;
        let is_child = |found: &&Secret| {
            found.deleted_at.is_none() && found.settings.get("parent").and_then(|p| p.as_str()) == Some(parent.as_str())
        };
        Ok(all.iter().filter(is_child).map(|found| found.name.clone()).collect())
    }

    /// Retires the old key, if its last certificate has ended. Tells whether it did.
    async fn retire_old_key(&self, tx: &mut Tx, authority: &SecretId) -> Result<bool, Trouble> {
        agenda::lock(tx, authority.as_str()).await?;
        let Some((row, body)) = self.find_rollover(tx, authority).await? else { return Ok(false) };
        let (left, _) = certificate::outlook(tx, self.tenant(), &body.old_issuer, self.now).await?;
        let found = secret::find(tx, self.keyring(), self.tenant(), authority).await?;
        let Some(found) = found.filter(|_| left == 0 && body.switched_at.is_some()) else { return Ok(false) };
        let mut written = Vec::new();
        for mut old in version::list_live(tx, self.keyring(), self.tenant(), authority).await? {
            if old.stage == Stage::Previous {
                old.stage = Stage::Retired;
                old.retired_at = Some(self.now);
                written.push(version::update(tx, self.keyring(), &mut old).await?);
            }
        }
        document::delete(tx, self.tenant(), &row.id).await?;
        let facts = json!({ "v": 1, "old_key": body.old_issuer });
        self.tell(tx, &found, "authority.retired", facts, "", written).await?;
        Ok(true)
    }
}

impl Engine {
    /// Takes every rollover as far as its time has come; answers how many were moved. Harmless to miss or repeat.
    pub(crate) async fn advance_rollovers(self: &Arc<Self>) -> Result<usize, Trouble> {
        let mut tx = self.store.read().await?;
        let rows = document::list(&mut tx, self.keyring(), &self.tenant, ROLLOVER, "", 1_000).await?;
        drop(tx);
        let mut moved = 0;
        for body in rows.into_iter().filter_map(|row| serde_json::from_value::<Body>(row.body).ok()) {
            let asked = Asked::new(self, &Actor::daemon());
            let authority = body.authority.clone();
            if body.switched_at.is_some() {
                let retired = asked
                    .write(move |asked, tx| Box::pin(async move { asked.retire_old_key(tx, &authority).await }))
                    .await?;
                moved += usize::from(retired);
            } else if is_due(&body, self.now()) {
                let children =
                    asked.write(move |asked, tx| Box::pin(async move { asked.switch(tx, &authority).await })).await?;
                moved += 1;
                self.roll_children(&children).await;
            }
        }
        Ok(moved)
    }

    /// The authorities below one that has a new key get new keys under it. One that cannot stays good until its own
    /// end, which warns.
    async fn roll_children(self: &Arc<Self>, children: &[Name]) {
        for child in children {
            let request =
                RotateAuthority { reason: "its parent has a new key".to_owned(), ..RotateAuthority::default() };
            let begun = Box::pin(begin(self, &Actor::daemon(), child.as_str(), request)).await;
            if let Err(trouble) = begun {
                tracing::warn!(authority = %child, code = %trouble.code, "no rollover: {trouble}");
            }
        }
    }
}

fn is_due(body: &Body, now: DateTime<Utc>) -> bool {
    from_micros(body.switch_at) <= now
}
