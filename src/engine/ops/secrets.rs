//! Putting values of unmanaged secrets, and changing what is said about a secret.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    asked::{Asked, Told, conflict, read_name, refuse_deleted, refuse_in_rotation},
    secret_fields::{Birth, check_tags, check_text, read_duration, refuse_impossible_overlap},
    wire::{Fields, Moment},
};
use crate::{
    engine::{Engine, Kind, Trouble},
    expiry::LadderText,
    model::{Actor, Material, Name, Secret, Stage},
    store::{Tx, Written, agenda, secret, target, version},
};

/// A value, and what is said about its secret.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutSecret {
    /// The value: an object of fields.
    pub value: Fields,
    /// The number of the version that must be current now; 0 for a secret that must not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cas: Option<i64>,
    /// The type of a new secret, such as `password`; `generic` if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What is said about it.
    #[serde(default)]
    pub about: About,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// What is said about a secret. What is not given stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct About {
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Labels to set; a label without a value is taken off.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Option<String>>,
    /// When the current value expires, a date or a time; an empty text for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The life of each version from its beginning on, such as `90d`; an empty text for no such rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    /// When to warn before an expiry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub ladder: Option<LadderText>,
    /// What an expiry does to reads: `warn`, `deactivate`, `deactivate after 2h`; an empty text for the usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_expiry: Option<String>,
    /// How long a deleted secret can be brought back, such as `30d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// How long the previous version stays valid after a publish, such as `1h`; `0s` for not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
}

/// The answer to a put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretPut {
    /// The secret's name.
    pub name: String,
    /// Whether the secret is new.
    pub is_new: bool,
    /// The number of the version that is now current.
    pub version: i64,
    /// Its id.
    pub version_id: String,
}

/// A change of what is said about a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditSecret {
    /// What is said about it.
    #[serde(default)]
    pub about: About,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

impl About {
    /// Writes what is given into a secret. Errors: what of it cannot be read.
    pub(super) fn apply_to(&self, secret: &mut Secret) -> Result<(), Trouble> {
        if let Some(owner) = &self.owner {
            check_text("owner", owner)?;
            secret.owner.clone_from(owner);
        }
        if let Some(description) = &self.description {
            check_text("description", description)?;
            secret.description.clone_from(description);
        }
        for (key, value) in &self.tags {
            match value {
                Some(value) => secret.tags.insert(key.clone(), value.clone()),
                None => secret.tags.remove(key),
            };
        }
        check_tags(&secret.tags)?;
        match self.expires_at.as_deref() {
            None => {}
            Some("") => secret.expires_at = None,
            Some(text) => secret.expires_at = Some(read_time("expires_at", text)?.0),
        }
        if let Some(text) = &self.recovery {
            secret.recovery_us = read_duration("recovery", text)?;
        }
        if let Some(text) = &self.overlap {
            secret.overlap_us = read_duration("overlap", text)?;
        }
        Ok(())
    }
}

/// Reads a time that somebody wrote. Errors: `time-invalid`.
pub fn read_time(key: &str, text: &str) -> Result<Moment, Trouble> {
    let read = chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
    // A day alone ends with it, in UTC: a credential that is good on its last day is not cut short.
    let day = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.succ_opt()?.and_hms_opt(0, 0, 0);
    read.or_else(|| day().map(|midnight| midnight.and_utc())).map(Moment).ok_or_else(|| {
        let sentence = format!("`{key}` is no time");
        Trouble::new(Kind::Invalid, "time-invalid", sentence, "write it like `2027-01-31` or `2027-01-31T12:00:00Z`")
    })
}

/// Makes a secret, or gives an unmanaged one a new current version.
///
/// Errors: `secret-deleted`; `secret-managed` for one that is rotated at a target; `version-not-expected` when `cas`
/// names another version than the current one.
pub async fn put(engine: &Arc<Engine>, actor: &Actor, name: &str, request: PutSecret) -> Result<SecretPut, Trouble> {
    let name = read_name(name)?;
    let asked = Asked::new(engine, actor);
    asked.write(move |asked, tx| Box::pin(async move { asked.put_secret(tx, name, request).await })).await
}

impl Asked {
    async fn put_secret(&self, tx: &mut Tx, name: Name, request: PutSecret) -> Result<SecretPut, Trouble> {
        if self.find_secret(tx, &name).await?.is_some() {
            let found = self.lock_secret(tx, name.as_str()).await?;
            return self.put_version(tx, found, request).await;
        }
        if request.cas.is_some_and(|expected| expected != 0) {
            return Err(not_expected(&name, request.cas, 0));
        }
        let kind = request.kind.as_deref().unwrap_or("generic");
        check_text("kind", kind)?;
        refuse_authority(kind, &name)?;
        let mut fresh = self.new_secret(name, kind);
        request.about.apply_to(&mut fresh)?;
        fresh.next_number = 2;
        let birth = Birth {
            secret: &fresh.id,
            value: &request.value.0,
            identity: String::new(),
            number: 1,
            published_at: self.now,
        };
        let first = self.seal_current(birth)?;
        let rules = self.keep_expiry(tx, &fresh.clone(), &mut fresh, &request.about, Some(self.now)).await?;
        let mut written =
            vec![secret::insert(tx, self.keyring(), &fresh).await?, version::insert(tx, self.keyring(), &first).await?];
        written.extend(rules);
        agenda::insert(tx, fresh.id.as_str(), self.tenant(), "", Some(self.now)).await?;
        let facts = json!({ "v": 1, "name": fresh.name, "kind": fresh.kind, "version": first.id, "number": 1 });
        self.tell(tx, &fresh, "secret.created", facts, &request.reason, written).await?;
        Ok(SecretPut { name: fresh.name.to_string(), is_new: true, version: 1, version_id: first.id.to_string() })
    }

    async fn put_version(&self, tx: &mut Tx, mut found: Secret, request: PutSecret) -> Result<SecretPut, Trouble> {
        refuse_deleted(&found)?;
        refuse_authority(&found.kind, &found.name)?;
        if found.target.is_some() {
            let sentence = format!("`{}` is managed: its value is what its target accepts", found.name);
            let hint = format!("`keywheel rotate {0}`, or `keywheel adopt {0}` with a value that logs in", found.name);
            return Err(conflict("secret-managed", sentence, hint));
        }
        let current = found.next_number - 1;
        if request.cas.is_some_and(|expected| expected != current) {
            return Err(not_expected(&found.name, request.cas, current));
        }
        let before = found.clone();
        request.about.apply_to(&mut found)?;
        let rules = self.keep_expiry(tx, &before, &mut found, &request.about, Some(self.now)).await?;
        let mut written = self.add_current(tx, &mut found, &request.value.0, String::new()).await?;
        written.rows.extend(rules);
        let (id, number) = (written.version.clone(), found.next_number - 1);
        let facts = json!({ "v": 1, "version": id, "number": number });
        self.tell(tx, &found, "secret.version_put", facts, &request.reason, written.rows).await?;
        agenda::pull(tx, found.id.as_str(), self.now).await?;
        Ok(SecretPut { name: found.name.to_string(), is_new: false, version: number, version_id: id })
    }

    /// Makes a value the current version of an unmanaged secret and writes the secret: the one before becomes
    /// previous, older ones are set aside.
    pub(super) async fn add_current(
        &self,
        tx: &mut Tx,
        found: &mut Secret,
        value: &Material,
        identity: String,
    ) -> Result<Added, Trouble> {
        let mut rows = Vec::new();
        for mut older in version::list_live(tx, self.keyring(), self.tenant(), &found.id).await? {
            if older.stage == Stage::Current {
                older.stage = Stage::Previous;
            } else {
                older.stage = Stage::Retired;
                older.retired_at = Some(self.now);
            }
            rows.push(version::update(tx, self.keyring(), &mut older).await?);
        }
        let number = found.next_number;
        let birth = Birth { secret: &found.id, value, identity, number, published_at: self.now };
        let fresh = self.seal_current(birth)?;
        rows.push(version::insert(tx, self.keyring(), &fresh).await?);
        found.next_number += 1;
        rows.push(secret::update(tx, self.keyring(), found).await?);
        Ok(Added { version: fresh.id.to_string(), rows })
    }

    /// Appends an event about a secret.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx,
        secret: &Secret,
        kind: &str,
        facts: serde_json::Value,
        reason: &str,
        written: Vec<Written>,
    ) -> Result<(), Trouble> {
        let told = Told { subject: secret.id.as_str(), kind, facts, reason, written, rotation: None };
        self.append(tx, told).await
    }
}

/// Refuses the value of an authority or of accounts: they are made with what belongs to them.
fn refuse_authority(kind: &str, name: &Name) -> Result<(), Trouble> {
    let hint = match kind {
        super::pki::AUTHORITY => format!("`keywheel ca create {name}` makes one, or brings one along"),
        super::pki::ACME => format!("`keywheel acme add {name}` registers an account"),
        _ => return Ok(()),
    };
    Err(conflict("kind-not-put", format!("a value of the type `{kind}` cannot be put"), hint))
}

/// A version that became current, and the rows that were written for it.
pub(super) struct Added {
    pub(super) version: String,
    pub(super) rows: Vec<Written>,
}

fn not_expected(name: &Name, expected: Option<i64>, found: i64) -> Trouble {
    let expected = expected.unwrap_or_default();
    let sentence = format!("`{name}` should be at version {expected}, and is at {found}");
    conflict("version-not-expected", sentence, "read it again and repeat the change")
}

/// Changes what is said about a secret. Values, target and rotator settings stay.
///
/// A nearer expiry may pull the next rotation forward; nothing here moves it back. Errors: `secret-deleted`;
/// `rotation-running` or `overlap-impossible` for a change of the overlap.
pub async fn edit(engine: &Arc<Engine>, actor: &Actor, name: &str, request: EditSecret) -> Result<(), Trouble> {
    let name = name.to_owned();
    let asked = Asked::new(engine, actor);
    asked
        .write(move |asked, tx| {
            Box::pin(async move {
                let mut found = asked.lock_living(tx, &name).await?;
                if request.about.overlap.is_some() {
                    refuse_in_rotation(&found)?;
                }
                let before = found.clone();
                request.about.apply_to(&mut found)?;
                let rules = asked.keep_expiry(tx, &before, &mut found, &request.about, None).await?;
                asked.refuse_impossible(tx, &found, &request.about).await?;
                let mut written = vec![secret::update(tx, asked.keyring(), &mut found).await?];
                written.extend(rules);
                if before.expires_at != found.expires_at {
                    written.extend(asked.pull_plan_forward(tx, &found).await?);
                }
                let facts = json!({ "v": 1, "about": request.about, "revision": found.revision });
                asked.tell(tx, &found, "secret.changed", facts, &request.reason, written).await?;
                Ok(agenda::pull(tx, found.id.as_str(), asked.now).await?)
            })
        })
        .await
}

impl Asked {
    /// Refuses an overlap that the strategy of a managed secret cannot keep.
    async fn refuse_impossible(&self, tx: &mut Tx, secret: &Secret, about: &About) -> Result<(), Trouble> {
        let (Some(id), Some(_)) = (&secret.target, &about.overlap) else { return Ok(()) };
        let Some(place) = target::find(tx, self.keyring(), self.tenant(), id).await? else { return Ok(()) };
        let declared = self.engine.rotators.find(&place.rotator)?.declare(&place.settings, &secret.settings)?;
        refuse_impossible_overlap(&declared, secret.overlap_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_refuses_what_it_does_not_know() {
        let text = r#"{"value": {"password": "x"}, "cass": 1}"#;
        assert!(serde_json::from_str::<PutSecret>(text).is_err());
        let text = r#"{"value": {"password": "x"}, "about": {"tags": {"team": "a", "old": null}}}"#;
        let read: PutSecret = serde_json::from_str(text).expect("a request");
        assert_eq!(read.about.tags.len(), 2);
    }
}
