//! What people configure about notices: channels, routes, silences, and the expiry rules of a secret. The bodies of
//! documents, and how they match.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    clock::from_micros,
    expiry::{LadderRule, OnExpiry, Rung},
    notify::Severity,
    schedule::HumanDuration,
    store::{StoreError, document::Document},
};

/// The kinds of document.
pub(crate) mod kind {
    pub(crate) const CHANNEL: &str = "channel";
    pub(crate) const ROUTE: &str = "route";
    pub(crate) const SILENCE: &str = "silence";
    pub(crate) const EXPIRY: &str = "expiry";
}

/// A means by which people are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelRules {
    /// `email`, `webhook`, `slack`, `teams`, `pagerduty`, `syslog` or `cef`.
    pub(crate) kind: String,
    /// What the kind asks for; secrets by name.
    pub(crate) settings: Value,
    /// Since when it gets what happens, in microseconds since 1970; none while it is disabled.
    pub(crate) enabled_at: Option<i64>,
    /// Why it is disabled, or nothing.
    #[serde(default)]
    pub(crate) disabled_because: String,
    /// How often it gets a sign of life.
    #[serde(default)]
    pub(crate) heartbeat: Option<HumanDuration>,
}

/// Which notices are meant. An empty list means all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Matcher {
    /// Kinds such as `expiry.warning`; `rotation.*` means all that begin so.
    pub kinds: Vec<String>,
    /// The least severity: `info`, `warning`, `error` or `critical`; `info` if it is not given.
    pub severity: Option<String>,
    /// Owners.
    pub owners: Vec<String>,
    /// Labels that all must be carried.
    pub tags: BTreeMap<String, String>,
    /// What names of secrets or targets begin with.
    pub names: Vec<String>,
}

/// When nobody wants to be disturbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// Days and times, such as `22:00-07:00` or `SAT-SUN 00:00-24:00`.
    pub window: String,
    /// An IANA zone; UTC if none is given.
    #[serde(default)]
    pub timezone: Option<String>,
}

/// Who is told of what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteRules {
    /// Which notices.
    #[serde(rename = "match")]
    pub matching: Matcher,
    /// The channels, by name.
    pub channels: Vec<String>,
    /// How many warnings that wait for one channel become a digest; 10 if it is not given.
    pub digest_from: Option<u32>,
    /// When nothing but what is critical, or the last warning before an expiry, is sent.
    pub quiet: Option<Quiet>,
    /// How long nobody may acknowledge before further channels are told.
    #[schema(value_type = Option<String>)]
    pub escalate_after: Option<HumanDuration>,
    /// These channels.
    pub escalate_to: Vec<String>,
}

/// What nobody wants to hear, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SilenceRules {
    /// Which notices.
    pub(crate) matching: Matcher,
    /// Until when, in microseconds since 1970.
    pub(crate) until: i64,
    /// Why.
    pub(crate) reason: String,
}

/// The rung that was told last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    /// The rung.
    pub(crate) rung: Rung,
    /// Of which expiry, in microseconds since 1970.
    pub(crate) expires_at: i64,
}

/// An emergency: a deactivated value is readable until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Override {
    /// Until when, in microseconds since 1970.
    pub(crate) until: i64,
    /// Why.
    pub(crate) reason: String,
    /// Who.
    pub(crate) actor: String,
}

/// How a secret expires, and what was told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExpiryRules {
    /// Its ladder, where it is not the usual one.
    pub(crate) ladder: LadderRule,
    /// What becomes of an expired value, where it is not the usual.
    pub(crate) on_expiry: Option<OnExpiry>,
    /// The life of each version from its publish on.
    pub(crate) lasts: Option<HumanDuration>,
    /// Whether a person set the date.
    pub(crate) is_dated: bool,
    /// Since when the date is known, in microseconds since 1970.
    pub(crate) registered_at: i64,
    /// The rung that was told last.
    pub(crate) told: Option<Told>,
    /// An emergency.
    pub(crate) overridden: Option<Override>,
}

/// What is matched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) kind: &'a str,
    pub(crate) severity: i64,
    pub(crate) name: &'a str,
    pub(crate) owner: &'a str,
    pub(crate) tags: &'a BTreeMap<String, String>,
}

/// The place of a severity's word; none for another word.
pub(crate) fn severity_of(word: &str) -> Option<i64> {
    let place = ["info", "warning", "error", "critical"].iter().position(|known| *known == word)?;
    i64::try_from(place).ok()
}

/// The place of a severity.
pub(crate) fn rank(severity: Severity) -> i64 {
    severity_of(severity.word()).unwrap_or(0)
}

impl Matcher {
    /// Whether a notice is meant.
    pub(crate) fn matches(&self, facts: &Facts<'_>) -> bool {
        let is_kind = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => facts.kind.starts_with(start),
            None => facts.kind == pattern,
        };
        let least = self.severity.as_deref().and_then(severity_of).unwrap_or(0);
        facts.severity >= least
            && (self.kinds.is_empty() || self.kinds.iter().any(is_kind))
            && (self.owners.is_empty() || self.owners.iter().any(|owner| owner == facts.owner))
            && (self.names.is_empty() || self.names.iter().any(|start| facts.name.starts_with(start.as_str())))
            && self.tags.iter().all(|(key, value)| facts.tags.get(key) == Some(value))
    }
}

impl ExpiryRules {
    /// Until when a deactivated value is readable.
    pub(crate) fn override_until(&self) -> Option<DateTime<Utc>> {
        self.overridden.as_ref().map(|overridden| from_micros(overridden.until))
    }
}

/// Reads a document's body.
pub(crate) fn read<T: DeserializeOwned>(document: &Document) -> Result<T, StoreError> {
    serde_json::from_value(document.body.clone()).map_err(|error| StoreError::Unreadable {
        table: "document",
        row: document.id.to_string(),
        because: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts<'a>(kind: &'a str, severity: i64, tags: &'a BTreeMap<String, String>) -> Facts<'a> {
        Facts { kind, severity, name: "billing/db", owner: "payments", tags }
    }

    #[test]
    fn an_empty_matcher_means_all() {
        assert!(Matcher::default().matches(&facts("x", 0, &BTreeMap::new())));
    }

    #[test]
    fn each_condition_can_refuse() {
        let tags = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let fits = |matcher: Matcher| matcher.matches(&facts("rotation.failed", 2, &tags));
        assert!(fits(Matcher { kinds: texts(&["rotation.*"]), ..Matcher::default() }));
        assert!(!fits(Matcher { kinds: texts(&["rotation"]), ..Matcher::default() }));
        assert!(fits(Matcher { severity: Some("error".to_owned()), ..Matcher::default() }));
        assert!(!fits(Matcher { severity: Some("critical".to_owned()), ..Matcher::default() }));
        assert!(!fits(Matcher { owners: texts(&["web"]), ..Matcher::default() }));
        assert!(fits(Matcher { names: texts(&["web/", "billing/"]), ..Matcher::default() }));
        assert!(!fits(Matcher { names: texts(&["web/"]), ..Matcher::default() }));
        assert!(fits(Matcher { tags: tags.clone(), ..Matcher::default() }));
        assert!(!fits(Matcher { tags: BTreeMap::from([("team".to_owned(), "b".to_owned())]), ..Matcher::default() }));
    }
}
