//! What the incoming webhooks of chats have in common: an address that is a secret.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Checked, Cidr, Credentials, Limits, NotifyError,
    client::{Client, Opening},
    settings::{self, credential, reference},
    tls,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url_secret: String,
    ca_pem: Option<String>,
    #[serde(default)]
    allow: Vec<Cidr>,
}

pub(super) fn check(kind: &'static str, settings: &Value) -> Result<Checked, NotifyError> {
    let settings: Settings = settings::read(kind, settings)?;
    tls::check(kind, settings.ca_pem.as_deref())?;
    let url = reference(kind, "url_secret", Some(&settings.url_secret))?;
    Ok(Checked { references: url.into_iter().collect(), notes: Vec::new() })
}

pub(super) fn client(
    kind: &'static str,
    settings: &Value,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Client, NotifyError> {
    let settings: Settings = settings::read(kind, settings)?;
    let url = credential(credentials, "url")?;
    let opening = Opening { kind, key: "url_secret", url, ca_pem: settings.ca_pem.as_deref(), allow: &settings.allow };
    Client::open(&opening, limits)
}
