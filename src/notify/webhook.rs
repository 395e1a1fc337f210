//! Webhooks: a CloudEvents 1.0 event in its JSON form, signed by Standard Webhooks.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Channel, Checked, Cidr, Credentials, Limits, Message, NotifyError, Outcome, Sending,
    client::{Client, Opening, check_url},
    settings::{self, credential, reference},
    sign::Signer,
    tls,
};

const KIND: &str = "webhook";
/// The longest body, in bytes.
const MAX_BODY: usize = 256 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: Option<String>,
    url_secret: Option<String>,
    signing_secret: Option<String>,
    signing_key_secret: Option<String>,
    bearer_secret: Option<String>,
    ca_pem: Option<String>,
    #[serde(default)]
    allow: Vec<Cidr>,
}

impl Settings {
    fn references(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("url_secret", self.url_secret.as_deref()),
            ("signing_secret", self.signing_secret.as_deref()),
            ("signing_key_secret", self.signing_key_secret.as_deref()),
            ("bearer_secret", self.bearer_secret.as_deref()),
        ]
    }
}

pub(super) fn check(settings: &Value) -> Result<Checked, NotifyError> {
    let settings: Settings = settings::read(KIND, settings)?;
    match (&settings.url, &settings.url_secret) {
        (Some(url), None) => drop(check_url(KIND, "url", url)?),
        (None, Some(_)) => {}
        _ => {
            return Err(NotifyError::Value {
                kind: KIND,
                key: "url",
                sentence: "stands beside `url_secret`, or both are missing".to_owned(),
                hint: "give one of `url` and `url_secret`".to_owned(),
            });
        }
    }
    tls::check(KIND, settings.ca_pem.as_deref())?;
    let mut checked = Checked::default();
    for (setting, secret) in settings.references() {
        checked.references.extend(reference(KIND, setting, secret)?);
    }
    if settings.signing_secret.is_none() && settings.signing_key_secret.is_none() {
        checked
            .notes
            .push("nothing is signed, so the receiver cannot tell who sent it: give `signing_secret`".to_owned());
    }
    Ok(checked)
}

pub(super) fn open(
    settings: &Value,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Box<dyn Channel>, NotifyError> {
    let settings: Settings = settings::read(KIND, settings)?;
    let (key, url) = match &settings.url {
        Some(url) => ("url", url.as_str()),
        None => ("url_secret", credential(credentials, "url")?),
    };
    let opening = Opening { kind: KIND, key, url, ca_pem: settings.ca_pem.as_deref(), allow: &settings.allow };
    let client = Client::open(&opening, limits)?;
    let signer = Signer::open(credentials, settings.signing_secret.is_some(), settings.signing_key_secret.is_some())?;
    let bearer = settings.bearer_secret.is_some().then(|| bearer(credentials)).transpose()?;
    Ok(Box::new(Webhook { client, signer, bearer }))
}

fn bearer(credentials: &Credentials) -> Result<HeaderValue, NotifyError> {
    let text = zeroize::Zeroizing::new(format!("Bearer {}", credential(credentials, "bearer")?));
    let mut value = HeaderValue::from_str(&text).map_err(|_| NotifyError::Credential {
        key: "bearer_secret".to_owned(),
        sentence: "has characters that a header cannot hold".to_owned(),
        hint: "a token is plain ASCII".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

struct Webhook {
    client: Client,
    signer: Signer,
    bearer: Option<HeaderValue>,
}

impl Webhook {
    async fn attempt(&self, message: &Message, deadline: Duration) -> Outcome {
        let body = bounded(message);
        let timestamp = self.client.now().timestamp();
        let mut headers = HeaderMap::new();
        let mut add = |name: &'static str, text: &str| {
            let value = HeaderValue::from_str(text).expect("ids, numbers and base64 are plain ASCII");
            headers.insert(HeaderName::from_static(name), value);
        };
        add("webhook-id", &message.id);
        add("webhook-timestamp", &timestamp.to_string());
        if let Some(signature) = self.signer.sign(&message.id, timestamp, &body) {
            add("webhook-signature", &signature);
        }
        if let Some(bearer) = &self.bearer {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        self.client.post("application/cloudevents+json; charset=utf-8", headers, body, deadline).await
    }
}

impl Channel for Webhook {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn send<'a>(&'a self, message: &'a Message, deadline: Duration) -> Sending<'a> {
        Box::pin(self.attempt(message, deadline))
    }
}

/// The event, with so many lines of a digest as fit.
fn bounded(message: &Message) -> Vec<u8> {
    let mut kept = message.items.len();
    loop {
        let body = event(message, kept).to_string().into_bytes();
        if body.len() <= MAX_BODY || kept == 0 {
            return body;
        }
        kept /= 2;
    }
}

fn event(message: &Message, kept: usize) -> Value {
    let items = message.items.iter().take(kept);
    let items = items
        .map(|item| json!({ "name": item.name, "sentence": item.sentence, "expires_at": item.expires_at.map(time) }));
    let detail = message.detail.iter().map(|(label, value)| json!({ "label": label, "value": value }));
    let mut event = json!({
        "specversion": "1.0",
        "id": message.id,
        "source": format!("/keywheel/{}", percent(&message.tenant)),
        "type": format!("keywheel.{}", message.kind),
        "time": time(message.at),
        "datacontenttype": "application/json",
        "data": {
            "event_id": message.event_id, "class": message.class, "severity": message.severity, "state": message.state,
            "thread": message.thread, "tenant": message.tenant, "subject": message.subject, "owner": message.owner,
            "tags": message.tags, "summary": message.summary, "detail": detail.collect::<Vec<_>>(),
            "will_do": message.will_do, "asked": message.asked, "expires_at": message.expires_at.map(time),
            "link": message.link, "items": items.collect::<Vec<_>>(), "items_left_out": message.items.len() - kept,
        },
    });
    // CloudEvents: a subject is absent or not empty.
    if !message.subject.is_empty() {
        event["subject"] = json!(message.subject);
    }
    event
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A text as one segment of a URI reference.
fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a text can be written to");
        }
    }
    encoded
}
