//! A target: where certificates are installed, what makes the service take them, and where it is looked at.

use keywheel_contract::Failure;
use serde::Deserialize;
use serde_json::Value;

use super::read::{invalid, table};
use crate::{
    host::split_place,
    probe::{ProbeAddress, StartTls},
};

const KNOWN: [&str; 6] = ["install", "check", "reload", "probes", "acme", "crl_url"];
const PROBE_KNOWN: [&str; 3] = ["address", "server_name", "starttls"];
const MOST_PROBES: usize = 64;

/// A target's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rotator) struct TargetSettings {
    /// `ROOT/PATH`: the root's name and the components.
    pub(in crate::rotator) install: Option<(String, Vec<String>)>,
    pub(in crate::rotator) check: Option<String>,
    pub(in crate::rotator) reload: Option<String>,
    pub(in crate::rotator) probes: Vec<ProbeAddress>,
    pub(in crate::rotator) acme: Option<Value>,
    pub(in crate::rotator) crl_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    install: Option<String>,
    check: Option<String>,
    reload: Option<String>,
    #[serde(default)]
    probes: Vec<Value>,
    acme: Option<Value>,
    crl_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProbe {
    address: String,
    server_name: Option<String>,
    starttls: Option<StartTls>,
}

impl TargetSettings {
    /// Reads and checks a target's settings.
    pub(in crate::rotator) fn read(value: &Value) -> Result<Self, Failure> {
        let raw: Raw = table("target", value, &KNOWN)?;
        let install = raw.install.as_deref().map(place).transpose()?;
        if raw.probes.len() > MOST_PROBES {
            return Err(invalid("target.probes", "there are more than 64 probes", "split the target"));
        }
        let probes = raw.probes.iter().map(probe).collect::<Result<Vec<_>, _>>()?;
        let needs_place =
            [("check", raw.check.is_some()), ("reload", raw.reload.is_some()), ("probes", !probes.is_empty())];
        if let (None, Some((key, _))) = (&install, needs_place.iter().find(|(_, is_set)| *is_set)) {
            let sentence = format!("`{key}` is of no use where nothing is installed before it");
            return Err(invalid(&format!("target.{key}"), sentence, "set `install`, or take this out"));
        }
        if raw.acme.as_ref().is_some_and(|acme| !acme.is_object()) {
            return Err(invalid("target.acme", "`acme` is not a table", "give a table of keys"));
        }
        let Raw { check, reload, acme, crl_url, .. } = raw;
        Ok(Self { install, check, reload, probes, acme, crl_url })
    }

    /// The hooks, with the keys that name them.
    pub(in crate::rotator) fn hooks(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = |key, name: &Option<String>| name.as_ref().map(|_| key);
        let keys = [named("check", &self.check), named("reload", &self.reload)];
        let names = [self.check.as_deref(), self.reload.as_deref()];
        keys.into_iter().zip(names).filter_map(|(key, name)| Some((key?, name?)))
    }
}

fn place(text: &str) -> Result<(String, Vec<String>), Failure> {
    let (root, components) =
        split_place(text).map_err(|error| invalid("target.install", error.to_string(), error.hint()))?;
    Ok((root.to_owned(), components))
}

fn probe(value: &Value) -> Result<ProbeAddress, Failure> {
    let raw: RawProbe = table("target.probes", value, &PROBE_KNOWN)?;
    ProbeAddress::parse(&raw.address, raw.server_name.as_deref(), raw.starttls)
        .map_err(|error| invalid("target.probes", error.to_string(), error.hint()))
}

#[cfg(test)]
mod tests {
    use keywheel_contract::Decision;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_setting_is_refused_with_its_key() {
        let with = |key: &str, value: Value| json!({ "install": "web/shop", key: value });
        for (settings, key) in [
            (json!([]), "target"),
            (json!({ "instal": "web/shop" }), "target.instal"),
            (json!({ "install": "web" }), "target.install"),
            (json!({ "install": "web/../x" }), "target.install"),
            (json!({ "install": 7 }), "target"),
            (json!({ "check": "x" }), "target.check"),
            (json!({ "reload": "x" }), "target.reload"),
            (json!({ "probes": [{ "address": "h:1" }] }), "target.probes"),
            (with("probes", json!([{ "address": "h" }])), "target.probes"),
            (with("probes", json!(["h:1"])), "target.probes"),
            (with("probes", json!([{ "address": "h:1", "starttls": "ftp" }])), "target.probes"),
            (with("probes", json!([{ "adress": "h:1" }])), "target.probes.adress"),
            (with("probes", json!(vec![json!({ "address": "h:1" }); 65])), "target.probes"),
            (with("acme", json!("letsencrypt")), "target.acme"),
        ] {
            let failure = TargetSettings::read(&settings).expect_err("refused");
            assert_eq!(failure.decision, Decision::Misconfigured { key: key.to_owned() }, "{settings}");
            assert!(!failure.hint.is_empty());
        }
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_nearest() {
        let failure = TargetSettings::read(&json!({ "relaod": "x" })).expect_err("refused");
        assert!(failure.hint.contains("`reload`"), "{}", failure.hint);
    }

    #[test]
    fn nothing_at_all_is_a_target_whose_certificates_are_issued_and_kept() {
        let settings = TargetSettings::read(&json!({})).expect("valid");
        assert!(settings.install.is_none() && settings.probes.is_empty() && settings.hooks().next().is_none());
    }
}
