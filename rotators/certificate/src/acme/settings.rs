//! The target's `acme`: which challenge, and what meets it. Folders and commands stand here by name only.

use std::net::SocketAddr;

use keywheel_contract::Failure;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::solver::Challenge;
use crate::x509::SubjectName;

const KNOWN: [&str; 8] =
    ["challenge", "listen", "webroot", "hook", "rfc2136", "visible_at", "visible_within_seconds", "profile"];
const UPDATE_KNOWN: [&str; 3] = ["server", "zone", "key"];
const LONGEST_LOOK: u64 = 600;

/// What meets the challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Means {
    /// Our own listener, for http-01 or tls-alpn-01.
    Listener(SocketAddr),
    /// The folder of a web server, by the name of an install root.
    Webroot(String),
    /// A program, by name.
    Hook(String),
    /// Signed updates.
    Update(Update),
}

/// Where records are updated, and by which of the keys in the value of the accounts' secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    pub(super) server: SocketAddr,
    pub(super) zone: Option<String>,
    pub(super) key: String,
}

/// The settings, checked against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AcmeSettings {
    pub(super) challenge: Challenge,
    pub(super) means: Means,
    pub(super) visible_at: Vec<SocketAddr>,
    pub(super) visible_within_seconds: u64,
    pub(super) profile: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    challenge: String,
    listen: Option<SocketAddr>,
    webroot: Option<String>,
    hook: Option<String>,
    rfc2136: Option<Value>,
    #[serde(default)]
    visible_at: Vec<SocketAddr>,
    visible_within_seconds: Option<u64>,
    profile: Option<String>,
}

impl AcmeSettings {
    /// Reads and checks the settings.
    pub(super) fn read(value: &Value) -> Result<Self, Failure> {
        let raw: Raw = table("target.acme", value, &KNOWN)?;
        let challenge = challenge(&raw.challenge)?;
        let means = means(challenge, &raw)?;
        let visible_within_seconds = raw.visible_within_seconds.unwrap_or(120);
        if visible_within_seconds > LONGEST_LOOK {
            let sentence = format!("`visible_within_seconds` is more than {LONGEST_LOOK}");
            return Err(invalid("target.acme.visible_within_seconds", sentence, "give a shorter time"));
        }
        Ok(Self { challenge, means, visible_at: raw.visible_at, visible_within_seconds, profile: raw.profile })
    }

    /// Whether the names can be had by this challenge.
    pub(super) fn check_names(&self, names: &[SubjectName]) -> Result<(), Failure> {
        for name in names {
            let hint = match name {
                SubjectName::Dns(text) if text.starts_with("*.") && self.challenge != Challenge::Dns01 => {
                    "a wildcard needs the challenge dns-01"
                }
                SubjectName::Ip(_) if self.challenge == Challenge::Dns01 => {
                    "an address needs the challenge http-01 or tls-alpn-01"
                }
                SubjectName::Email(_) | SubjectName::Uri(_) => {
                    "public authorities vouch for host names and addresses; a private one for anything"
                }
                SubjectName::Dns(_) | SubjectName::Ip(_) => continue,
            };
            let sentence = format!("`{name}` cannot be had from a public authority by {}", self.challenge);
            return Err(invalid("secret.names", sentence, hint));
        }
        Ok(())
    }
}

fn challenge(text: &str) -> Result<Challenge, Failure> {
    let known = [Challenge::Http01, Challenge::TlsAlpn01, Challenge::Dns01];
    known.into_iter().find(|challenge| challenge.to_string() == text).ok_or_else(|| {
        invalid("target.acme.challenge", "the challenge is not known", "it is http-01, tls-alpn-01 or dns-01")
    })
}

fn means(challenge: Challenge, raw: &Raw) -> Result<Means, Failure> {
    let given = [
        ("listen", raw.listen.map(Means::Listener)),
        ("webroot", raw.webroot.clone().map(Means::Webroot)),
        ("hook", raw.hook.clone().map(Means::Hook)),
        ("rfc2136", raw.rfc2136.as_ref().map(update).transpose()?.map(Means::Update)),
    ];
    let allowed: &[&str] = match challenge {
        Challenge::Http01 => &["listen", "webroot"],
        Challenge::TlsAlpn01 => &["listen"],
        Challenge::Dns01 => &["hook", "rfc2136"],
    };
    let mut given = given.into_iter().filter_map(|(key, means)| Some((key, means?)));
    let hint = format!("{challenge} is met by one of: {}", allowed.join(", "));
    match (given.next(), given.next()) {
        (Some((key, means)), None) if allowed.contains(&key) => Ok(means),
        (Some((key, _)), None) => {
            Err(invalid(&format!("target.acme.{key}"), format!("`{key}` is of no use for {challenge}"), hint))
        }
        (None, None) if challenge != Challenge::Dns01 => {
            let port = if challenge == Challenge::Http01 { 80 } else { 443 };
            Ok(Means::Listener((std::net::Ipv6Addr::UNSPECIFIED, port).into()))
        }
        (None, _) => Err(invalid("target.acme", "nothing sets the record", hint)),
        (Some((one, _)), Some((other, _))) => {
            Err(invalid(&format!("target.acme.{other}"), format!("both `{one}` and `{other}` are set"), hint))
        }
    }
}

fn update(value: &Value) -> Result<Update, Failure> {
    table("target.acme.rfc2136", value, &UPDATE_KNOWN)
}

fn table<T: DeserializeOwned>(at: &str, value: &Value, known: &[&str]) -> Result<T, Failure> {
    let hint = format!("the known keys are: {}", known.join(", "));
    let keys = value.as_object().ok_or_else(|| invalid(at, format!("`{at}` is not a table"), hint.clone()))?;
    if let Some(odd) = keys.keys().find(|key| !known.contains(&key.as_str())) {
        let shown: String = odd.chars().take(64).flat_map(char::escape_debug).collect();
        return Err(invalid(&format!("{at}.{shown}"), format!("`{shown}` is not a key of `{at}`"), hint));
    }
    T::deserialize(value).map_err(|cause| invalid(at, format!("`{at}` does not fit: {cause}"), hint))
}

/// A setting that cannot be right.
pub(super) fn invalid(key: &str, sentence: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::misconfigured(key, "acme-setting-invalid", sentence, hint)
}

#[cfg(test)]
mod tests {
    use keywheel_contract::Decision;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_challenge_alone_is_met_by_a_listener_at_its_own_port() {
        let means = |challenge| AcmeSettings::read(&json!({ "challenge": challenge })).map(|read| read.means);
        assert_eq!(means("http-01"), Ok(Means::Listener("[::]:80".parse().expect("an address"))));
        assert_eq!(means("tls-alpn-01"), Ok(Means::Listener("[::]:443".parse().expect("an address"))));
        assert!(means("dns-01").is_err());
    }

    #[test]
    fn a_wrong_setting_is_refused_with_its_key() {
        let update = json!({ "server": "192.0.2.1:53", "key": "k" });
        for (settings, key) in [
            (json!([]), "target.acme"),
            (json!({}), "target.acme"),
            (json!({ "challenge": "http-02" }), "target.acme.challenge"),
            (json!({ "challenge": "http-01", "weboot": "x" }), "target.acme.weboot"),
            (json!({ "challenge": "http-01", "listen": "80" }), "target.acme"),
            (json!({ "challenge": "http-01", "hook": "x" }), "target.acme.hook"),
            (json!({ "challenge": "tls-alpn-01", "webroot": "x" }), "target.acme.webroot"),
            (json!({ "challenge": "http-01", "listen": "[::]:80", "webroot": "x" }), "target.acme.webroot"),
            (json!({ "challenge": "dns-01", "hook": "x", "rfc2136": update }), "target.acme.rfc2136"),
            (json!({ "challenge": "dns-01", "rfc2136": { "secret": "x" } }), "target.acme.rfc2136.secret"),
            (json!({ "challenge": "dns-01", "rfc2136": {} }), "target.acme.rfc2136"),
            (json!({ "challenge": "http-01", "visible_within_seconds": 601 }), "target.acme.visible_within_seconds"),
        ] {
            let failure = AcmeSettings::read(&settings).expect_err("refused");
            assert_eq!(failure.decision, Decision::Misconfigured { key: key.to_owned() }, "{settings}");
        }
    }

    #[test]
    fn names_that_a_challenge_cannot_prove_are_refused() {
        let fits = |challenge: &str, name: &str| {
            let settings =
                json!({ "challenge": challenge, (if challenge == "dns-01" { "hook" } else { "profile" }): "x" });
            let name = SubjectName::parse(name).expect("a name");
            AcmeSettings::read(&settings).expect("settings").check_names(&[name]).is_ok()
        };
        assert!(fits("http-01", "a.example.org") && fits("http-01", "192.0.2.1") && fits("dns-01", "*.example.org"));
        assert!(!fits("http-01", "*.example.org") && !fits("dns-01", "192.0.2.1"));
        assert!(!fits("http-01", "email:ops@example.org") && !fits("dns-01", "uri:spiffe://example.org/x"));
    }
}
