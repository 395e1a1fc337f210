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
    record::{CERTIFICATE, Of, issuer_of},
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
    model::{Actor, DocumentId, Name, Secret, SecretId, Stage, Version, VersionId},
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
    engine.advance_rollovers().await
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
        let under_way = self.find_rollover(&mut tx, &before.secret.id).await?;
        if under_way.is_some_and(|(_, body)| body.switched_at.is_none()) {
            let hint = format!("`keywheel ca rotate {name} --now` has the announced successor sign");
            return Err(conflict("rollover-running", format!("a rollover of `{name}` is announced already"), hint));
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
            switch_at: micros(self.now).saturating_add(wait),
            spread_us: read_duration("spread", request.spread.as_deref().unwrap_or(SPREAD))?,
            switched_at: None,
        };
        // One that has switched already leaves nothing but old keys, which are retired by what they are.
        let mut kept = match self.find_rollover(tx, &locked.id).await? {
            Some((mut row, _)) => {
                row.body = json!(body);
                row
            }
            None => self.new_rollover(&body),
        };
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
        let (mut left, mut last) = (0, None);
        for (_, alive, ends_at) in self.old_keys(tx, &authority.id).await? {
            left += alive;
            last = last.max(ends_at);
        }
        Ok(Some(RolloverView {
            stage: if body.switched_at.is_some() { "switched" } else { "announced" }.to_owned(),
            switch_at: from_micros(body.switched_at.unwrap_or(body.switch_at)).into(),
            left,
            last_ends_at: last.map(Moment),
        }))
    }

    /// The successor signs from now on.
    async fn switch(&self, tx: &mut Tx, authority: &SecretId) -> Result<(), Trouble> {
        agenda::lock(tx, authority.as_str()).await?;
        let Some((mut row, mut body)) = self.find_rollover(tx, authority).await? else { return Ok(()) };
        let found = secret::find(tx, self.keyring(), self.tenant(), authority).await?;
        let Some(mut found) = found.filter(|_| body.switched_at.is_none()) else { return Ok(()) };
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
        self.renew_in_waves(tx, &found.name, body.spread_us).await
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

    /// The versions of an authority whose keys sign no more, with how many certificates of each are alive and until when.
    async fn old_keys(
        &self,
        tx: &mut Tx,
        authority: &SecretId,
    ) -> Result<Vec<(Version, i64, Option<DateTime<Utc>>)>, Trouble> {
        let mut old = Vec::new();
        for version in version::list_live(tx, self.keyring(), self.tenant(), authority).await? {
            if version.stage != Stage::Previous {
                continue;
            }
            let ready = self.engine.make_ready(&version)?;
            let key = key_of(&ready);
            let (alive, ends_at) = certificate::outlook(tx, self.tenant(), &key, self.now).await?;
            old.push((version, alive, ends_at));
        }
        Ok(old)
    }

    /// The authorities below one that were signed by a key of it that signs no more, and do not roll over yet.
    async fn children_by(&self, tx: &mut Tx, body: &Body) -> Result<Vec<Name>, Trouble> {
        let parent = secret::find(tx, self.keyring(), self.tenant(), &body.authority).await?;
        let Some(parent) = parent.filter(|parent| parent.deleted_at.is_none()) else { return Ok(Vec::new()) };
        let signs = key_of(&self.engine.find_authority(tx, &parent.name).await?.authority);
        let all = secret::list_of_kind(tx, self.keyring(), self.tenant(), AUTHORITY).await?;
        let mut children = Vec::new();
        for found in all.iter().filter(|found| found.deleted_at.is_none()) {
            let is_below = found.settings.get("parent").and_then(|p| p.as_str()) == Some(parent.name.as_str());
            let under_way = self.find_rollover(tx, &found.id).await?;
            if !is_below || under_way.is_some_and(|(_, body)| body.switched_at.is_none()) {
                continue;
            }
            let signed = self.engine.find_authority(tx, &found.name).await?.authority;
            if issuer_of(signed.certificate().facts()) != signs {
                children.push(found.name.clone());
            }
        }
        Ok(children)
    }

    /// Retires old keys whose last certificate has ended; the rollover is over when none is left.
    async fn retire_old_keys(&self, tx: &mut Tx, authority: &SecretId) -> Result<(), Trouble> {
        agenda::lock(tx, authority.as_str()).await?;
        let Some((row, body)) = self.find_rollover(tx, authority).await? else { return Ok(()) };
        let found = secret::find(tx, self.keyring(), self.tenant(), authority).await?;
        let Some(found) = found.filter(|_| body.switched_at.is_some()) else { return Ok(()) };
        let (mut written, mut retired, mut left) = (Vec::new(), Vec::new(), 0);
        for (mut old, alive, _) in self.old_keys(tx, authority).await? {
            if alive > 0 {
                left += 1;
                continue;
            }
            old.stage = Stage::Retired;
            old.retired_at = Some(self.now);
            written.push(version::update(tx, self.keyring(), &mut old).await?);
            retired.push(old.id);
        }
        if left == 0 {
            document::delete(tx, self.tenant(), &row.id).await?;
        }
        if retired.is_empty() && left > 0 {
            return Ok(());
        }
        self.tell(tx, &found, "authority.retired", json!({ "v": 1, "versions": retired }), "", written).await
    }
}

impl Engine {
    /// Takes every rollover as far as its time has come. Harmless to miss or repeat: each stage looks at what stands.
    pub(crate) async fn advance_rollovers(self: &Arc<Self>) -> Result<(), Trouble> {
        let mut tx = self.store.read().await?;
        let rows = document::list(&mut tx, self.keyring(), &self.tenant, ROLLOVER, "", 1_000).await?;
        drop(tx);
        for body in rows.into_iter().filter_map(|row| serde_json::from_value::<Body>(row.body).ok()) {
            self.advance(&body).await?;
        }
        Ok(())
    }

    async fn advance(self: &Arc<Self>, body: &Body) -> Result<(), Trouble> {
        if body.switched_at.is_none() && from_micros(body.switch_at) > self.now() {
            return Ok(());
        }
        let asked = Asked::new(self, &Actor::daemon());
        if body.switched_at.is_none() {
            let authority = body.authority.clone();
            asked.write(move |asked, tx| Box::pin(async move { asked.switch(tx, &authority).await })).await?;
        }
        let mut tx = self.store.read().await?;
        let children = asked.children_by(&mut tx, body).await?;
        let old = asked.old_keys(&mut tx, &body.authority).await?;
        drop(tx);
        self.roll_children(&children).await;
        if old.iter().all(|(_, alive, _)| *alive > 0) && !old.is_empty() {
            return Ok(());
        }
        let authority = body.authority.clone();
        asked.write(move |asked, tx| Box::pin(async move { asked.retire_old_keys(tx, &authority).await })).await
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
