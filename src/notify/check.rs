//! Checking settings and opening channels, by kind.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keywheel_contract::Redactor;
use serde_json::Value;

use crate::model::Material;

use super::{
    Channel, Credentials, Limits, Message, NotifyError, Outcome, Sending, cef, email, pagerduty, slack, syslog, teams,
    text::{cut, line},
    tidy::tidy,
    webhook,
};

/// The kinds of channels.
pub const KINDS: &[&str] = &["email", "webhook", "slack", "teams", "pagerduty", "syslog", "cef"];

/// The longest text of an outcome, in bytes.
const LONGEST_ANSWER: usize = 1_000;
/// The shortest form of a credential that is masked.
const SHORTEST_FORM: usize = 8;
/// How much later than the time limit a channel may answer before it is cut off.
const GRACE: Duration = Duration::from_millis(500);

/// A secret that settings refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The setting, as in `password_secret`.
    pub setting: String,
    /// The field of [`Credentials`] that takes the value, as in `password`.
    pub field: String,
    /// The name of the secret.
    pub secret: String,
    /// Whether the previous value is wanted beside the current one, while the receiver changes over.
    pub wants_previous: bool,
}

/// What settings ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// The secrets that they refer to.
    pub references: Vec<Reference>,
    /// What an operator should know, in sentences.
    pub notes: Vec<String>,
}

/// Checks settings without opening anything.
pub fn check(kind: &str, settings: &Value) -> Result<Checked, NotifyError> {
    match kind {
        "email" => email::check(settings),
        "webhook" => webhook::check(settings),
        "slack" => slack::check(settings),
        "teams" => teams::check(settings),
        "pagerduty" => pagerduty::check(settings),
        "syslog" => syslog::check(settings),
        "cef" => cef::check(settings),
        unknown => Err(unknown_kind(unknown)),
    }
}

/// Opens a channel. Nothing is connected yet; connections are kept between sends and end with the channel.
#[expect(clippy::needless_pass_by_value, reason = "who opens a channel parts with the credentials")]
pub fn open(
    kind: &str,
    settings: &Value,
    credentials: Credentials,
    limits: &Limits,
) -> Result<Arc<dyn Channel>, NotifyError> {
    check(kind, settings)?;
    let inner = match kind {
        "email" => email::open(settings, &credentials, limits),
        "webhook" => webhook::open(settings, &credentials, limits),
        "slack" => slack::open(settings, &credentials, limits),
        "teams" => teams::open(settings, &credentials, limits),
        "pagerduty" => pagerduty::open(settings, &credentials, limits),
        "syslog" => syslog::open(settings, limits),
        "cef" => cef::open(settings, limits),
        unknown => return Err(unknown_kind(unknown)),
    }?;
    let forms: Vec<Material> = credentials.0.values().map(other_forms).collect();
    let redactor = Redactor::of(credentials.0.values().chain(&forms), &["username"]);
    Ok(Arc::new(Discreet { inner, redactor }))
}

/// Forms in which a receiver may repeat a credential: in base64, as the key behind a prefix, and of an address, which
/// is known to many but for its path, the parts of that.
fn other_forms(material: &Material) -> Material {
    let mut forms = serde_json::Map::new();
    let mut add = |form: &str| {
        if form.len() >= SHORTEST_FORM {
            for form in [form.to_owned(), STANDARD.encode(form)] {
                forms.insert(forms.len().to_string(), Value::String(form));
            }
        }
    };
    for text in material.expose().values().filter_map(Value::as_str) {
        add(text);
        text.split_once('_').into_iter().for_each(|(_, rest)| add(rest));
        if let Ok(url) = reqwest::Url::parse(text) {
            url.path_segments().into_iter().flatten().for_each(&mut add);
            url.query().into_iter().for_each(&mut add);
        }
    }
    Material::new(forms)
}

fn unknown_kind(kind: &str) -> NotifyError {
    let message = format!("unknown variant `{}`, expected one of `{}`", line(kind), KINDS.join("`, `"));
    let hint = crate::config::did_you_mean(&message).unwrap_or_default();
    NotifyError::Kind { kind: cut(&line(kind), 60), hint }
}

/// A channel that gets tidied messages, ends in time and tells no credential.
struct Discreet {
    inner: Box<dyn Channel>,
    redactor: Redactor,
}

impl Discreet {
    async fn attempt(&self, message: &Message, deadline: Duration) -> Outcome {
        let tidied = tidy(message);
        let sending = self.inner.send(&tidied, deadline);
        let outcome = tokio::time::timeout(deadline + GRACE, sending).await.unwrap_or_else(|_| {
            Outcome::unknown("channel-too-slow", format!("the channel did not end within {deadline:?}"))
        });
        outcome.map_texts(|text| cut(&line(&self.redactor.redact(text)), LONGEST_ANSWER))
    }
}

impl Channel for Discreet {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn send<'a>(&'a self, message: &'a Message, deadline: Duration) -> Sending<'a> {
        Box::pin(self.attempt(message, deadline))
    }
}
