//! The parts of a secret that requests share: tags, durations, and how a version is sealed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use keywheel_contract::{Declaration, Overlap};
use serde_json::Value;

use super::asked::{Asked, invalid};
use crate::{
    engine::Trouble,
    model::{KeyId, Material, Name, RotationId, Secret, SecretId, Stage, Version, VersionId},
    schedule::HumanDuration,
};

/// How long a deleted secret can be brought back, unless it says otherwise: 30 days, in microseconds.
const RECOVERY_US: i64 = 30 * 86_400 * 1_000_000;
/// How long the previous version stays valid after a publish, unless the secret says otherwise: an hour.
const OVERLAP_US: i64 = 3_600 * 1_000_000;
const MOST_TAGS: usize = 64;
const LONGEST_TAG: usize = 256;
const LONGEST_TEXT: usize = 4_096;

/// Reads a duration that somebody wrote; `0s` is none.
pub(super) fn read_duration(key: &str, text: &str) -> Result<i64, Trouble> {
    if text.trim() == "0s" {
        return Ok(0);
    }
    let read: HumanDuration = text.parse().map_err(|error: crate::schedule::DurationError| {
        invalid(error.code(), format!("`{key}`: {error}"), error.hint())
    })?;
    Ok(read.as_delta().num_microseconds().unwrap_or(i64::MAX))
}

/// Checks labels: up to 64, keys and values up to 256 bytes, printable.
pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Trouble> {
    let is_odd = |text: &str| text.len() > LONGEST_TAG || text.chars().any(char::is_control);
    let odd = tags.iter().find(|(key, value)| key.is_empty() || key.contains('=') || is_odd(key) || is_odd(value));
    if tags.len() > MOST_TAGS || odd.is_some() {
        let sentence = format!("tags are up to {MOST_TAGS} pairs `key=value` of up to {LONGEST_TAG} printable bytes");
        return Err(invalid("tags-invalid", sentence, "write for example `team=payments`"));
    }
    Ok(())
}

/// Checks an owner, a description, a kind or a reason.
pub(super) fn check_text(key: &str, text: &str) -> Result<(), Trouble> {
    if text.len() <= LONGEST_TEXT && !text.contains('\0') {
        return Ok(());
    }
    let sentence = format!("`{key}` has {} bytes, at most {LONGEST_TEXT} are allowed", text.len());
    Err(invalid("text-too-long", sentence, "shorten it"))
}

/// How long the previous version stays valid where nobody says: not at all where the target can hold one value only.
pub(super) fn usual_overlap(declared: &Declaration) -> i64 {
    if declared.overlap == Overlap::None { 0 } else { OVERLAP_US }
}

/// Refuses a promise that the strategy cannot keep.
pub(super) fn refuse_impossible_overlap(declared: &Declaration, overlap_us: i64) -> Result<(), Trouble> {
    if declared.overlap != Overlap::None || overlap_us == 0 {
        return Ok(());
    }
    let sentence = "the old value ends when the new one begins: nothing can overlap";
    Err(invalid("overlap-impossible", sentence, "leave `overlap` out, or choose a strategy with two accounts"))
}

/// What a version is born with.
pub(super) struct Birth<'a> {
    pub(super) secret: &'a SecretId,
    pub(super) value: &'a Material,
    pub(super) identity: String,
    pub(super) number: i64,
    pub(super) published_at: DateTime<Utc>,
}

impl Asked {
    /// A secret that does not exist yet, unmanaged and without a version.
    pub(super) fn new_secret(&self, name: Name, kind: &str) -> Secret {
        Secret {
            id: self.engine.mint(SecretId::mint),
            tenant: self.tenant().clone(),
            name,
            kind: kind.to_owned(),
            owner: String::new(),
            description: String::new(),
            tags: BTreeMap::new(),
            target: None,
            settings: Value::Object(serde_json::Map::new()),
            acknowledged: Vec::new(),
            overlap_us: OVERLAP_US,
            recovery_us: RECOVERY_US,
            expires_at: None,
            next_number: 1,
            rotation: None,
            probe_at: None,
            deleted_at: None,
            created_at: self.now,
            created_by: self.actor.clone(),
            revision: 1,
        }
    }

    /// Seals a value as a current version. The caller inserts it.
    pub(super) fn seal_current(&self, birth: Birth<'_>) -> Result<Version, Trouble> {
        let bytes = birth.value.to_json();
        if bytes.len() > Material::MAX_BYTES {
            let sentence =
                format!("the value has {} bytes as JSON, at most {} are kept", bytes.len(), Material::MAX_BYTES);
            return Err(invalid("value-too-large", sentence, "keep large files elsewhere and their key here"));
        }
        let mut version = Version {
            id: self.engine.mint(VersionId::mint),
            tenant: self.tenant().clone(),
            secret: birth.secret.clone(),
            number: Some(birth.number),
            stage: Stage::Current,
            identity: birth.identity,
            key: KeyId::mint(self.now, [0; 10]),
            token: None,
            fingerprint: String::new(),
            rotation: None::<RotationId>,
            created_at: self.now,
            created_by: self.actor.clone(),
            published_at: Some(birth.published_at),
            retire_at: None,
            retired_at: None,
            deleted_at: None,
            deactivated_at: None,
            destroyed_at: None,
            revision: 1,
        };
        self.engine.seal_into(&mut version, birth.value)?;
        Ok(version)
    }

    /// Whether a version has the given value, without opening it.
    pub(super) fn has_value(&self, version: &Version, value: &Material) -> bool {
        let known = self.keyring().fingerprints(self.tenant(), version.secret.as_str(), &value.to_json());
        known.contains(&version.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_none_is_written_as_zero() {
        assert_eq!(read_duration("overlap", "0s").expect("none"), 0);
        assert_eq!(read_duration("overlap", "1h").expect("an hour"), OVERLAP_US);
        assert_eq!(read_duration("overlap", "soon").expect_err("no duration").code, "duration-form");
    }

    #[test]
    fn odd_tags_are_refused() {
        let tags = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert!(check_tags(&tags("team", "payments")).is_ok());
        assert!(check_tags(&tags("", "x")).is_err());
        assert!(check_tags(&tags("a=b", "x")).is_err());
        assert!(check_tags(&tags("a", &"x".repeat(257))).is_err());
        assert!(check_tags(&tags("a", "\n")).is_err());
    }
}
