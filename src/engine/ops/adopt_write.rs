//! The one transaction of an adoption: secret, first version, agenda row, schedule, deliveries, event.

use chrono::TimeDelta;
use keywheel_contract::{Finding, Refusal, Seen};
use serde_json::json;

use super::{
    adopt::{AdoptSecret, Adopted, Ground, shown},
    adopt_check::Looked,
    asked::{Asked, refuse_deleted, refuse_in_rotation},
    deliveries::read_delivery_name,
    rotate::request_occurrence,
    secret_fields::{Birth, check_text, refuse_impossible_overlap, usual_overlap},
    wire::moment,
};
use crate::{
    engine::Trouble,
    model::{Secret, Stage, Version},
    store::{StoreError, Tx, Written, agenda, occurrence, schedule, secret, target, version},
};

impl Asked {
    pub(super) async fn write_adoption(
        &self,
        tx: &mut Tx,
        ground: &Ground,
        looked: &Looked,
        findings: Vec<Finding>,
        request: AdoptSecret,
    ) -> Result<Adopted, Trouble> {
        check_text("reason", &request.reason)?;
        let (mut secret, is_new) = self.secret_to_adopt(tx, ground, &request).await?;
        let before = secret.clone();
        if is_new || secret.settings != looked.settings {
            secret.overlap_us = usual_overlap(&looked.declared);
        }
        request.about.apply_to(&mut secret)?;
        refuse_impossible_overlap(&looked.declared, secret.overlap_us)?;
        secret.target = Some(ground.target.id.clone());
        secret.settings.clone_from(&looked.settings);
        secret.probe_at = self.first_probe();
        self.acknowledge(&mut secret, &findings, &request.acknowledge)?;
        secret
            .acknowledged
            .retain(|given| findings.iter().all(|f| f.code != given.code || f.sentence == given.sentence));
        let mut written = Vec::new();
        if is_new {
            written.push(secret::insert(tx, self.keyring(), &secret).await?);
            let lane = ground.target.id.as_str();
            agenda::insert(tx, secret.id.as_str(), self.tenant(), lane, Some(self.now)).await?;
        }
        let current = self.write_version(tx, ground, looked, &mut secret, &mut written).await?;
        written.extend(self.date_adoption(tx, ground, &before, &mut secret, &request).await?);
        let next_due_at =
            self.write_schedule(tx, ground, &mut secret, current.as_ref(), &request, &mut written).await?;
        written.push(secret::update(tx, self.keyring(), &mut secret).await?);
        let occurrence = self.request_first(tx, ground, &secret, &request).await?;
        let facts = json!({
            "v": 1, "name": secret.name, "is_new": is_new, "target": ground.target.id, "settings": secret.settings,
            "identity": looked.identity, "version": current.as_ref().map(|version| &version.id),
            "is_unknown": ground.value.is_none(), "acknowledged": request.acknowledge,
        });
        self.tell(tx, &secret, "secret.adopted", facts, &request.reason, written).await?;
        let versions: Vec<Version> = current.into_iter().collect();
        for named in &request.deliveries {
            let name = read_delivery_name(&named.name)?;
            self.put_delivery(tx, &secret, &versions, &name, &named.delivery).await?;
        }
        agenda::set_due(tx, secret.id.as_str(), ground.target.id.as_str(), Some(self.now)).await?;
        Ok(Adopted {
            name: secret.name.to_string(),
            id: secret.id.to_string(),
            is_new,
            identity: looked.identity.clone(),
            version: versions.first().and_then(|version| version.number),
            changes: looked.preflight.changes.clone(),
            findings: shown(&findings),
            occurrence,
            next_due_at: moment(next_due_at),
        })
    }

    /// Keeps what is decided about the expiry; a nearer one pulls the next rotation forward.
    async fn date_adoption(
        &self,
        tx: &mut Tx,
        ground: &Ground,
        before: &Secret,
        secret: &mut Secret,
        request: &AdoptSecret,
    ) -> Result<Vec<Written>, Trouble> {
        let born_at = (secret.next_number > before.next_number).then_some(self.now);
        let mut written = self.keep_expiry(tx, before, secret, &request.about, born_at).await?;
        if before.expires_at != secret.expires_at && ground.schedule.is_none() {
            written.extend(self.pull_plan_forward(tx, secret).await?);
        }
        Ok(written)
    }

    /// Reads again what was looked at, under the secret's lock, and refuses where it changed meanwhile.
    async fn secret_to_adopt(
        &self,
        tx: &mut Tx,
        ground: &Ground,
        request: &AdoptSecret,
    ) -> Result<(Secret, bool), Trouble> {
        let target = target::find(tx, self.keyring(), self.tenant(), &ground.target.id).await?;
        if target.as_ref().map(|target| target.revision) != Some(ground.target.revision) {
            return Err(StoreError::Stale { what: "target" }.into());
        }
        let Some(before) = &ground.existing else {
            let kind = request.kind.as_deref().unwrap_or("password");
            check_text("kind", kind)?;
            return Ok((self.new_secret(ground.name.clone(), kind), true));
        };
        let secret = self.lock_secret(tx, ground.name.as_str()).await?;
        refuse_deleted(&secret)?;
        refuse_in_rotation(&secret)?;
        if secret.id != before.id || secret.revision != before.revision {
            return Err(StoreError::Stale { what: "secret" }.into());
        }
        Ok((secret, false))
    }

    /// When the value is first probed for drift: spread over the interval, so that adoptions do not stay together.
    fn first_probe(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        let every = self.engine.options.probe_every?;
        let part = every.mul_f64(0.5 + f64::from(self.engine.draw()) / f64::from(u32::MAX) / 2.0);
        Some(self.now + TimeDelta::from_std(part).unwrap_or(TimeDelta::days(1)))
    }

    /// Makes the value that logged in the current version, unless it already is.
    async fn write_version(
        &self,
        tx: &mut Tx,
        ground: &Ground,
        looked: &Looked,
        secret: &mut Secret,
        written: &mut Vec<Written>,
    ) -> Result<Option<Version>, Trouble> {
        let Some(value) = &ground.value else { return Ok(None) };
        let current = match &ground.existing {
            Some(existing) => version::find_current(tx, self.keyring(), self.tenant(), &existing.id).await?,
            None => None,
        };
        if let Some(mut kept) = current {
            if self.has_value(&kept, value) {
                kept.identity.clone_from(&looked.identity);
                written.push(version::update(tx, self.keyring(), &mut kept).await?);
                return Ok(Some(kept));
            }
            self.put_aside(secret, &mut kept, looked.old.as_ref());
            written.push(version::update(tx, self.keyring(), &mut kept).await?);
        }
        let birth = Birth {
            secret: &secret.id,
            value,
            identity: looked.identity.clone(),
            number: secret.next_number,
            published_at: self.now,
        };
        let fresh = self.seal_current(birth)?;
        secret.next_number += 1;
        written.push(version::insert(tx, self.keyring(), &fresh).await?);
        Ok(Some(fresh))
    }

    /// What becomes of a version whose place another one takes, by what a probe saw of it.
    pub(super) fn put_aside(&self, secret: &Secret, old: &mut Version, seen: Option<&Seen>) {
        match seen {
            Some(Seen::Refused { refusal: Refusal::WrongCredential }) => {
                old.stage = Stage::Retired;
                old.retired_at = Some(self.now);
            }
            Some(Seen::Works) => {
                old.stage = Stage::Previous;
                old.retire_at = Some(self.now + TimeDelta::microseconds(secret.overlap_us));
            }
            // Nobody has seen it refused for good: set aside without the word that it is dead.
            Some(Seen::Refused { .. } | Seen::Unreachable { .. }) | None => old.stage = Stage::Retired,
        }
    }

    async fn write_schedule(
        &self,
        tx: &mut Tx,
        ground: &Ground,
        secret: &mut Secret,
        current: Option<&Version>,
        request: &AdoptSecret,
        written: &mut Vec<Written>,
    ) -> Result<Option<chrono::DateTime<chrono::Utc>>, Trouble> {
        let old = schedule::find(tx, self.keyring(), self.tenant(), &secret.id).await?;
        let Some(wanted) = &ground.schedule else { return Ok(old.and_then(|row| row.next_due_at)) };
        let (mut row, findings) = self.planned_row(secret, current, wanted, old);
        self.acknowledge_schedule(secret, findings, &request.acknowledge)?;
        written.push(schedule::put(tx, self.keyring(), &mut row).await?);
        Ok(row.next_due_at)
    }

    /// Asks for the first rotation of an account whose value is not known.
    async fn request_first(
        &self,
        tx: &mut Tx,
        ground: &Ground,
        secret: &Secret,
        request: &AdoptSecret,
    ) -> Result<Option<String>, Trouble> {
        if ground.value.is_some() {
            return Ok(None);
        }
        let reason = if request.reason.is_empty() { "adopted without a known value" } else { &request.reason };
        let first = request_occurrence(self, secret, reason);
        occurrence::insert(tx, &first).await?;
        Ok(Some(first.id.to_string()))
    }
}
