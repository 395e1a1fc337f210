//! A secret: what its certificate must speak for, with which key, and for how long.

use std::time::Duration;

use keywheel_contract::Failure;
use serde::Deserialize;
use serde_json::Value;

use super::{
    read::{invalid, table},
    span,
};
use crate::x509::{KeyKind, OnClamp, Profile, SubjectName};

const KNOWN: [&str; 8] =
    ["names", "common_name", "organisation", "profile", "key", "lifetime", "on_clamp", "revoke_old"];

/// What most authorities give, and what a rotation every two months leaves a month of.
const USUAL_LIFETIME: &str = "90d";

/// A secret's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rotator) struct SecretSettings {
    pub(in crate::rotator) names: Vec<SubjectName>,
    pub(in crate::rotator) common_name: Option<String>,
    pub(in crate::rotator) organisation: Option<String>,
    pub(in crate::rotator) profile: Profile,
    pub(in crate::rotator) key: KeyKind,
    pub(in crate::rotator) lifetime: Duration,
    pub(in crate::rotator) on_clamp: OnClamp,
    pub(in crate::rotator) is_old_revoked: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    names: Vec<String>,
    common_name: Option<String>,
    organisation: Option<String>,
    #[serde(default)]
    profile: Profile,
    #[serde(default)]
    key: KeyKind,
    lifetime: Option<String>,
    #[serde(default)]
    on_clamp: OnClamp,
    #[serde(default)]
    revoke_old: bool,
}

impl SecretSettings {
    /// Reads and checks a secret's settings.
    pub(in crate::rotator) fn read(value: &Value) -> Result<Self, Failure> {
        let raw: Raw = table("secret", value, &KNOWN)?;
        let names = raw.names.iter().map(|name| {
            SubjectName::parse(name).map_err(|error| invalid("secret.names", error.to_string(), error.hint()))
        });
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let speaks_by_subject = raw.profile == Profile::Client && raw.common_name.is_some();
        if names.is_empty() && !speaks_by_subject {
            let hint = "give `names`, such as [\"shop.example.org\"]";
            return Err(invalid("secret.names", "the certificate would speak for nobody", hint));
        }
        for (key, text) in [("common_name", &raw.common_name), ("organisation", &raw.organisation)] {
            attribute(key, text.as_deref())?;
        }
        let lifetime = raw.lifetime.as_deref().unwrap_or(USUAL_LIFETIME);
        let lifetime = span::read(lifetime).filter(|span| *span >= Duration::from_mins(1)).ok_or_else(|| {
            let shown: String = lifetime.chars().take(40).flat_map(char::escape_debug).collect();
            let sentence = format!("`lifetime` must be one minute to twenty years, found `{shown}`");
            invalid("secret.lifetime", sentence, "write it like `90d`")
        })?;
        Ok(Self {
            names,
            common_name: raw.common_name,
            organisation: raw.organisation,
            profile: raw.profile,
            key: raw.key,
            lifetime,
            on_clamp: raw.on_clamp,
            is_old_revoked: raw.revoke_old,
        })
    }
}

/// RFC 5280 bounds both attributes to 64 characters.
fn attribute(key: &str, text: Option<&str>) -> Result<(), Failure> {
    let is_fit = |text: &str| (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if text.is_none_or(is_fit) {
        return Ok(());
    }
    let sentence = format!("`{key}` has more than 64 characters, none, or control characters");
    Err(invalid(&format!("secret.{key}"), sentence, "shorten it; what counts are the `names`"))
}

#[cfg(test)]
mod tests {
    use keywheel_contract::Decision;
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_the_usual_ones() {
        let settings = SecretSettings::read(&json!({ "names": ["shop.example.org"] })).expect("valid");
        assert_eq!((settings.profile, settings.key), (Profile::Server, KeyKind::P256));
        assert_eq!((settings.lifetime, settings.on_clamp), (Duration::from_hours(2160), OnClamp::Refuse));
        assert!(!settings.is_old_revoked);
    }

    #[test]
    fn a_wrong_setting_is_refused_with_its_key() {
        let with = |key: &str, value: Value| json!({ "names": ["shop.example.org"], key: value });
        for (settings, key) in [
            (json!({}), "secret.names"),
            (json!({ "names": [] }), "secret.names"),
            (json!({ "names": ["not a name"] }), "secret.names"),
            (json!({ "names": "shop.example.org" }), "secret"),
            (json!({ "name": ["shop.example.org"] }), "secret.name"),
            (json!({ "common_name": "shop" }), "secret.names"),
            (with("profile", json!("servers")), "secret"),
            (with("key", json!("dsa")), "secret"),
            (with("lifetime", json!("90")), "secret.lifetime"),
            (with("lifetime", json!("5s")), "secret.lifetime"),
            (with("on_clamp", json!("ignore")), "secret"),
            (with("common_name", json!("x".repeat(65))), "secret.common_name"),
            (with("organisation", json!("")), "secret.organisation"),
        ] {
            let failure = SecretSettings::read(&settings).expect_err("refused");
            assert_eq!(failure.decision, Decision::Misconfigured { key: key.to_owned() }, "{settings}");
        }
    }

    #[test]
    fn a_client_may_speak_by_its_common_name() {
        let settings = json!({ "common_name": "worker 7", "profile": "client" });
        assert_eq!(SecretSettings::read(&settings).expect("valid").names, []);
    }
}
