//! `keywheel doctor`: its findings, each with what it means and how to mend it.

use std::collections::BTreeMap;

use axum::http::Method;
use serde::Serialize;
use serde_json::Value;

use super::{CliError, Client, Cx, Exit, output};
use crate::{
    engine::ops::{
        access::listener::ListenerView,
        channels::{ChannelTried, ChannelView},
        status::Status,
    },
    http::Page,
};

/// Arguments of `keywheel doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// As it should be.
    Well,
    /// Worth a look.
    Attention,
    /// Broken.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub health: Health,
    /// What was found, and what that means.
    pub finding: String,
    /// How to mend it; empty where nothing is to be done.
    pub mend: String,
}

impl Diagnosis {
    /// All is well.
    pub fn well(what: &str, finding: impl Into<String>) -> Self {
        Self { what: what.to_owned(), health: Health::Well, finding: finding.into(), mend: String::new() }
    }

    /// Something is worth a look.
    pub fn attention(what: &str, finding: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.to_owned(), health: Health::Attention, finding: finding.into(), mend: mend.into() }
    }

    /// Something is broken, by an error.
    pub fn broken(what: &str, error: &CliError) -> Self {
        let mut finding = error.sentence.clone();
        for cause in &error.causes {
            finding.push_str(": ");
            finding.push_str(cause);
        }
        Self { what: what.to_owned(), health: Health::Broken, finding, mend: error.hint.clone() }
    }
}

/// Asks the daemon, if one runs, what only it knows; nothing if none can be reached.
pub async fn ask_daemon(cx: &Cx) -> Option<Vec<Diagnosis>> {
    let client = cx.client().ok()?;
    match client.ask(Method::GET, &["status"]).send::<Status>().await {
        Err(error) if error.code == "daemon-unreachable" => None,
        Err(error) => Some(vec![Diagnosis::broken("daemon", &error)]),
        Ok(status) => Some(of_status(&client, &status).await),
    }
}

async fn of_status(client: &Client, status: &Status) -> Vec<Diagnosis> {
    let mut found = vec![Diagnosis::well("daemon", format!("keywheel {} serves", status.version))];
    if status.version != env!("CARGO_PKG_VERSION") {
        let finding = format!("the daemon is {}, this command is {}", status.version, env!("CARGO_PKG_VERSION"));
        found.push(Diagnosis::attention("release", finding, "restart the daemon"));
    }
    if status.short_of_room {
        let finding = "the store's disk is full: what runs may end, no new rotation starts";
        found.push(Diagnosis::attention("room", finding, "free space on the disk of the data directory"));
    }
    for alert in &status.alerts {
        let finding = format!("{} since {}: {}", alert.kind, output::time(Some(alert.opened_at)), alert.sentence);
        found.push(Diagnosis::attention(&alert.subject, finding, alert.hint.clone()));
    }
    if let Some(since) = status.clock_held_since {
        let finding = format!("it was set forward after {}: nothing ends by time alone", output::time(Some(since)));
        found.push(Diagnosis::attention("clock", finding, "`keywheel clock confirm`, or wait ten minutes"));
    }
    if let Some(https) = &status.https {
        found.push(of_listener(https));
    }
    if status.dead_letters > 0 {
        let finding = format!("{} notices were given up by a channel", status.dead_letters);
        found.push(Diagnosis::attention("notices", finding, "`keywheel notices --failed` tells why"));
    }
    found.extend(targets(client).await);
    found.extend(channels(client).await);
    found
}

fn of_listener(https: &ListenerView) -> Diagnosis {
    let place = format!("{} by `{}`", https.address, https.certificate);
    if https.state == "serves" {
        return Diagnosis::well("https", format!("it serves {place}"));
    }
    let what = match https.state.as_str() {
        "stale" => "shows an older certificate",
        "expired" => "shows an expired certificate",
        _ => "is not served",
    };
    Diagnosis::attention("https", format!("{place} {what}: {}", https.finding), https.hint.clone())
}

/// Tries each target by the preflight of one secret in it, which changes nothing.
async fn targets(client: &Client) -> Vec<Diagnosis> {
    let listed = client.ask(Method::GET, &["secrets"]).query("limit", 1000).send::<Value>().await;
    let Ok(listed) = listed else { return Vec::new() };
    let mut one_of_each = BTreeMap::new();
    for secret in listed["secrets"].as_array().into_iter().flatten() {
        if let (Some(name), Some(target)) = (secret["name"].as_str(), secret["target"].as_str()) {
            one_of_each.entry(target.to_owned()).or_insert_with(|| name.to_owned());
        }
    }
    let mut found = Vec::new();
    for (target, secret) in one_of_each {
        let tried = client.ask(Method::GET, &["secrets", &secret, "preflight"]).send::<Value>().await;
        found.push(of_preflight(&format!("target {target}"), &secret, tried));
    }
    found
}

fn of_preflight(what: &str, secret: &str, tried: Result<Value, CliError>) -> Diagnosis {
    let preflight = match tried {
        Ok(preflight) => preflight,
        Err(error) => return Diagnosis::broken(what, &error),
    };
    if preflight["is_clear"].as_bool() != Some(false) {
        return Diagnosis::well(what, format!("it answers, and permits to rotate `{secret}`"));
    }
    let texts = |field: &str| {
        let findings = preflight["findings"].as_array().into_iter().flatten();
        let found: Vec<&str> = findings.filter_map(|finding| finding[field].as_str()).collect();
        found.join("; ")
    };
    let mend = format!("`keywheel rotate {secret} --dry-run` shows all; {}", texts("hint"));
    Diagnosis::attention(what, format!("`{secret}` cannot be rotated now: {}", texts("sentence")), mend)
}

/// Opens each channel with its settings and secrets, and sends nothing.
async fn channels(client: &Client) -> Vec<Diagnosis> {
    let listed = client.ask(Method::GET, &["channels"]).send::<Page<ChannelView>>().await;
    let Ok(listed) = listed else { return Vec::new() };
    let mut found = Vec::new();
    for channel in listed.items {
        let tried = client.ask(Method::GET, &["channels", &channel.name, "preflight"]).send::<ChannelTried>().await;
        found.push(of_channel(&channel, tried));
    }
    found
}

fn of_channel(channel: &ChannelView, tried: Result<ChannelTried, CliError>) -> Diagnosis {
    let what = format!("channel {}", channel.name);
    match tried {
        Err(error) => Diagnosis::broken(&what, &error),
        Ok(tried) if !tried.is_usable => {
            Diagnosis::broken(&what, &CliError::new(Exit::Failed, tried.code, tried.finding, tried.hint))
        }
        Ok(_) if channel.is_failing => {
            let finding = format!("it failed {} times in a row: {}", channel.failures, channel.last_error);
            Diagnosis::attention(&what, finding, format!("`keywheel channel test {}` tries it now", channel.name))
        }
        Ok(_) if channel.enabled_at.is_none() => Diagnosis::well(&what, "it is disabled"),
        Ok(_) => {
            let test = format!("`keywheel channel test {}` sends a message", channel.name);
            Diagnosis::well(&what, format!("settings and secrets fit; {test}"))
        }
    }
}

/// Tells the findings; the exit code says whether a person must look.
pub fn tell(cx: &Cx, found: &[Diagnosis]) -> Exit {
    output::show_lines(cx.format, &found, |found| {
        let mut lines = Vec::new();
        for one in *found {
            let mark = match one.health {
                Health::Well => "well     ",
                Health::Attention => "attention",
                Health::Broken => "broken   ",
            };
            lines.push(format!("{mark}  {}: {}", one.what, one.finding));
            if !one.mend.is_empty() {
                lines.push(format!("           mend: {}", one.mend));
            }
        }
        lines
    });
    if found.iter().any(|one| one.health == Health::Broken) {
        Exit::Failed
    } else if found.iter().any(|one| one.health == Health::Attention) {
        Exit::NeedsAttention
    } else {
        Exit::Done
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_preflight_that_is_not_clear_tells_what_stands_in_the_way() {
        let finding = json!({ "sentence": "the role is missing", "hint": "create it" });
        let found = of_preflight("target t", "a", Ok(json!({ "is_clear": false, "findings": [finding] })));
        assert_eq!(found.health, Health::Attention);
        assert!(found.finding.contains("the role is missing") && found.mend.contains("create it"));
        assert_eq!(of_preflight("target t", "a", Ok(json!({ "is_clear": true }))).health, Health::Well);
    }
}
