//! PagerDuty, Events API v2: <https://developer.pagerduty.com/docs/send-alert-event>.
//!
//! One `dedup_key` for everything told of one secret version, from the first warning to `resolve`. Limits: 512 KB in
//! all, 1,024 characters of summary, 255 of the key.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::SecretText;

use super::{
    Channel, Checked, Cidr, Credentials, Limits, Message, NotifyError, Outcome, Sending, State,
    client::{Client, Opening, check_url},
    settings::{self, credential, reference},
    text::{cut, digest},
    tls, view,
};

const KIND: &str = "pagerduty";
const ADDRESS: &str = "https://events.pagerduty.com/v2/enqueue";
const SUMMARY: usize = 1_024;
const KEY: usize = 255;
/// Below 512 KB.
const MAX_BODY: usize = 500_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    routing_key_secret: String,
    /// Another region's address.
    url: Option<String>,
    ca_pem: Option<String>,
    #[serde(default)]
    allow: Vec<Cidr>,
}

pub(super) fn check(settings: &Value) -> Result<Checked, NotifyError> {
    let settings: Settings = settings::read(KIND, settings)?;
    check_url(KIND, "url", settings.url.as_deref().unwrap_or(ADDRESS))?;
    tls::check(KIND, settings.ca_pem.as_deref())?;
    let key = reference(KIND, "routing_key_secret", Some(&settings.routing_key_secret))?;
    Ok(Checked { references: key.into_iter().collect(), notes: Vec::new() })
}

pub(super) fn open(
    settings: &Value,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Box<dyn Channel>, NotifyError> {
    let settings: Settings = settings::read(KIND, settings)?;
    let url = settings.url.as_deref().unwrap_or(ADDRESS);
    let opening = Opening { kind: KIND, key: "url", url, ca_pem: settings.ca_pem.as_deref(), allow: &settings.allow };
    let routing_key = SecretText::new(credential(credentials, "routing_key")?.to_owned());
    Ok(Box::new(PagerDuty { client: Client::open(&opening, limits)?, routing_key }))
}

struct PagerDuty {
    client: Client,
    routing_key: SecretText,
}

impl PagerDuty {
    async fn attempt(&self, message: &Message, deadline: Duration) -> Outcome {
        let body = bounded(message, self.routing_key.expose());
        self.client.post("application/json", HeaderMap::new(), body, deadline).await
    }
}

impl Channel for PagerDuty {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn send<'a>(&'a self, message: &'a Message, deadline: Duration) -> Sending<'a> {
        Box::pin(self.attempt(message, deadline))
    }
}

/// The event, with so many lines of a digest as fit.
fn bounded(message: &Message, routing_key: &str) -> Vec<u8> {
    let mut kept = message.items.len();
    loop {
        let body = event(message, kept, routing_key).to_string().into_bytes();
        if body.len() <= MAX_BODY || kept == 0 {
            return body;
        }
        kept /= 2;
    }
}

fn event(message: &Message, kept: usize, routing_key: &str) -> Value {
    let key = if message.thread.is_empty() { &message.id } else { &message.thread };
    let key = if key.len() > KEY { digest(&[key]) } else { key.clone() };
    let source = if message.subject.is_empty() { "keywheel" } else { &message.subject };
    let links = message.link.iter().map(|link| json!({ "href": link, "text": "keywheel" }));
    json!({
        "routing_key": routing_key,
        "event_action": match message.state { State::Open => "trigger", State::Resolved => "resolve" },
        "dedup_key": key,
        "client": "keywheel",
        "links": links.collect::<Vec<_>>(),
        "payload": {
            "summary": cut(&view::heading(message), SUMMARY),
            "source": source, "severity": message.severity.word(), "timestamp": message.at.to_rfc3339(),
            "component": "keywheel", "group": message.tenant, "class": message.kind,
            "custom_details": details(message, kept),
        },
    })
}

fn details(message: &Message, kept: usize) -> Value {
    let mut details: Map<String, Value> = Map::new();
    let named = [("What keywheel does", &message.will_do), ("What is asked of you", &message.asked)];
    let named = named.into_iter().map(|(label, text)| (label.to_owned(), text.clone()));
    for (label, value) in view::facts(message).into_iter().chain(named).filter(|(_, value)| !value.is_empty()) {
        details.insert(label, json!(value));
    }
    let items: Vec<String> = message.items.iter().take(kept).map(view::item).collect();
    if !items.is_empty() {
        details.insert("Items".to_owned(), json!(items));
    }
    if kept < message.items.len() {
        details.insert("Left out".to_owned(), json!(format!("{} more", message.items.len() - kept)));
    }
    details.insert("Notice".to_owned(), json!(message.id));
    Value::Object(details)
}
