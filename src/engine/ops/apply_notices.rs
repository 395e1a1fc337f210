//! Declarations about expiry and notices: channels, routes, and what lives elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    apply_plan::Compared,
    asked::{Asked, conflict, invalid, read_name, refuse_deleted},
    channels::{self, PutChannel, read_heartbeat, refuse_unknown},
    routes::{self, check_route},
    secrets::About,
    tracked::{self, TRACKED, Track},
};
use crate::{
    engine::{
        Trouble,
        notices::{
            channels::told,
            rules::{ChannelRules, Matcher, Quiet, RouteRules, kind, read},
        },
    },
    expiry::LadderText,
    notify,
    schedule::HumanDuration,
    store::document,
};

/// A channel as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclaredChannel {
    /// Its name.
    pub name: String,
    /// `email`, `webhook`, `slack`, `teams`, `pagerduty`, `syslog` or `cef`.
    pub kind: String,
    /// What the kind asks for; a secret is named, never given.
    pub settings: Value,
    /// Whether it gets notices; yes if it is not given.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How often it gets a sign of life, such as `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<String>,
}

fn yes() -> bool {
    true
}

/// A route as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeclaredRoute {
    /// Its name.
    pub name: String,
    /// Which notices.
    #[serde(rename = "match")]
    pub matching: Matcher,
    /// The channels, by name.
    pub channels: Vec<String>,
    /// How many warnings that wait for one channel become a digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_from: Option<u32>,
    /// When nothing but what is critical, or the last warning before an expiry, is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// How long nobody may acknowledge before further channels are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub escalate_after: Option<HumanDuration>,
    /// These channels.
    pub escalate_to: Vec<String>,
}

/// What lives elsewhere and expires, as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeclaredTracked {
    /// Its name.
    pub name: String,
    /// When it expires, a date or a time.
    pub expires_at: String,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its labels; others that it carries stay.
    pub tags: BTreeMap<String, String>,
    /// When to warn before the expiry.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub ladder: Option<LadderText>,
}

impl DeclaredRoute {
    fn rules(&self) -> RouteRules {
        RouteRules {
            matching: self.matching.clone(),
            channels: self.channels.clone(),
            digest_from: self.digest_from,
            quiet: self.quiet.clone(),
            escalate_after: self.escalate_after,
            escalate_to: self.escalate_to.clone(),
        }
    }
}

impl DeclaredTracked {
    fn about(&self) -> About {
        About {
            owner: self.owner.clone(),
            description: self.description.clone(),
            tags: self.tags.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect(),
            expires_at: Some(self.expires_at.clone()),
            ladder: self.ladder.clone(),
            ..About::default()
        }
    }
}

fn new(key: &'static str) -> Compared {
    let mut compared = Compared { is_new: true, date: true, ..Compared::default() };
    compared.note(true, key);
    compared
}

impl Asked {
    pub(super) async fn compare_channel(&self, wanted: &DeclaredChannel) -> Result<Compared, Trouble> {
        let name = read_name(&wanted.name)?;
        notify::check(&wanted.kind, &wanted.settings).map_err(|error| told(&error))?;
        let heartbeat = wanted.heartbeat.as_deref().map(read_heartbeat).transpose()?;
        let tx = &mut self.engine.store.read().await?;
        let found = document::find(tx, self.keyring(), self.tenant(), kind::CHANNEL, name.as_str()).await?;
        let Some(found) = found else { return Ok(new("channel")) };
        let rules: ChannelRules = read(&found)?;
        let mut compared = Compared::default();
        compared.note(rules.kind != wanted.kind, "kind");
        compared.note(rules.settings != wanted.settings, "settings");
        compared.note(rules.enabled_at.is_some() != wanted.enabled, "enabled");
        compared.note(rules.heartbeat != heartbeat, "heartbeat");
        Ok(compared)
    }

    /// Compares a route; its channels must exist or be declared beside it.
    pub(super) async fn compare_route(
        &self,
        wanted: &DeclaredRoute,
        beside: &[DeclaredChannel],
    ) -> Result<Compared, Trouble> {
        let name = read_name(&wanted.name)?;
        let rules = wanted.rules();
        check_route(&rules)?;
        let tx = &mut self.engine.store.read().await?;
        let named = rules.channels.iter().chain(&rules.escalate_to);
        let others = named.filter(|name| beside.iter().all(|channel| channel.name != **name)).cloned();
        refuse_unknown(self, tx, &others.collect::<Vec<_>>()).await?;
        let found = document::find(tx, self.keyring(), self.tenant(), kind::ROUTE, name.as_str()).await?;
        let Some(found) = found else { return Ok(new("route")) };
        let mut compared = Compared::default();
        compared.note(read::<RouteRules>(&found)? != rules, "rules");
        Ok(compared)
    }

    pub(super) async fn compare_tracked(&self, wanted: &DeclaredTracked) -> Result<Compared, Trouble> {
        let name = read_name(&wanted.name)?;
        if wanted.expires_at.is_empty() {
            let sentence = format!("`{name}` has no date");
            return Err(invalid("expiry-missing", sentence, "write for example `expires_at = \"2027-03-01\"`"));
        }
        let tx = &mut self.engine.store.read().await?;
        let Some(found) = self.find_secret(tx, &name).await? else {
            wanted.about().apply_to(&mut self.new_secret(name, TRACKED))?;
            return Ok(new("tracked"));
        };
        refuse_deleted(&found)?;
        if found.kind != TRACKED {
            let sentence = format!("`{name}` is a secret with a value");
            return Err(conflict("not-tracked", sentence, "declare it as `[[secret]]`"));
        }
        let mut compared = Compared::default();
        self.compare_about(tx, &wanted.about(), &found, &mut compared).await?;
        Ok(compared)
    }

    pub(super) async fn bring_about_channel(&self, wanted: &DeclaredChannel, reason: &str) -> Result<(), Trouble> {
        let request = PutChannel {
            kind: wanted.kind.clone(),
            settings: wanted.settings.clone(),
            enabled: wanted.enabled,
            heartbeat: wanted.heartbeat.clone(),
            reason: reason.to_owned(),
        };
        channels::put(&self.engine, &self.actor, &wanted.name, request).await.map(|_| ())
    }

    pub(super) async fn bring_about_route(&self, wanted: &DeclaredRoute) -> Result<(), Trouble> {
        routes::put(&self.engine, &self.actor, &wanted.name, wanted.rules()).await.map(|_| ())
    }

    pub(super) async fn bring_about_tracked(
        &self,
        wanted: &DeclaredTracked,
        compared: &Compared,
        reason: &str,
    ) -> Result<(), Trouble> {
        let mut about = wanted.about();
        // A date that has passed and is not changed is no error.
        about.expires_at = about.expires_at.filter(|_| compared.date);
        let request = Track { about, reason: reason.to_owned() };
        tracked::put(&self.engine, &self.actor, &wanted.name, request).await
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::ops::apply::Declared;

    #[test]
    fn a_file_declares_who_is_told_and_what_expires() {
        let declared: Declared = toml::from_str(
            "[[channel]]\nname = \"mail\"\nkind = \"email\"\nheartbeat = \"5m\"\n\
             settings = { host = \"mail.example.org\", from = \"k@example.org\", to = [\"ops@example.org\"] }\n\
             [[route]]\nname = \"all\"\nchannels = [\"mail\"]\nescalate_after = \"1h\"\nescalate_to = [\"mail\"]\n\
             match = { kinds = [\"expiry.*\"], severity = \"warning\" }\n\
             [[tracked]]\nname = \"domain example.org\"\nexpires_at = \"2027-03-01\"\nladder = { rungs = [\"60d\"] }\n",
        )
        .expect("a declaration");
        assert!(declared.channel[0].enabled);
        assert_eq!(declared.route[0].rules().matching.severity.as_deref(), Some("warning"));
        assert_eq!(declared.tracked[0].about().expires_at.as_deref(), Some("2027-03-01"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        for text in ["[[route]]\nname = \"a\"\nto = []\n", "[[tracked]]\nname = \"a\"\nexpires = \"x\"\n"] {
            assert!(toml::from_str::<Declared>(text).is_err(), "{text}");
        }
    }
}
