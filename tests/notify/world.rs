//! Messages to send, channels to send them by, and names that lead where the test says.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use keywheel::model::Material;
use keywheel::notify::{
    Channel, Class, Credentials, Item, Limits, Message, Outcome, Resolve, Resolved, Severity, State, open,
};
use serde_json::{Value, json};

use crate::support::mail::Smtp;

/// The time limit of a send that is expected to work.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// A warning with something in every field.
pub(crate) fn warning() -> Message {
    Message {
        id: "ntc_01jd3c4m".to_owned(),
        event_id: "evt_01jd3c4k".to_owned(),
        kind: "expiry.warning".to_owned(),
        class: Class::Expiry,
        severity: Severity::Warning,
        state: State::Open,
        thread: "sec_7/ver_3".to_owned(),
        tenant: "root".to_owned(),
        subject: "billing/db".to_owned(),
        owner: "web-team".to_owned(),
        tags: BTreeMap::from([("stage".to_owned(), "production".to_owned()), ("pci".to_owned(), String::new())]),
        summary: "billing/db expires in 14 days".to_owned(),
        detail: vec![("Version".to_owned(), "3".to_owned()), ("Target".to_owned(), "postgres-main".to_owned())],
        will_do: "rotates it on 2027-02-20 at 03:00 UTC".to_owned(),
        asked: "Nothing, unless the rotation fails.".to_owned(),
        expires_at: Some(time("2027-03-01T12:00:00Z")),
        at: time("2027-02-15T12:00:00Z"),
        link: Some("https://keywheel.example/ui/secrets/sec_7".to_owned()),
        items: Vec::new(),
    }
}

/// A digest with so many lines.
pub(crate) fn digest(lines: usize) -> Message {
    let item = |at: usize| Item {
        name: format!("edge/cert-{at:03}"),
        sentence: "expires in 14 days".to_owned(),
        expires_at: Some(time("2027-03-01T12:00:00Z")),
    };
    Message {
        kind: "digest.expiry".to_owned(),
        class: Class::Digest,
        subject: String::new(),
        summary: format!("{lines} certificates expire within 14 days"),
        items: (0..lines).map(item).collect(),
        ..warning()
    }
}

/// Limits under which the loopback may be reached.
pub(crate) fn local() -> Limits {
    let allow = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().expect("a network")).to_vec();
    Limits { allow, hostname: "wheel.test".to_owned(), ..Limits::default() }
}

/// Credentials of one text each.
pub(crate) fn credentials(fields: &[(&str, &str)]) -> Credentials {
    fields
        .iter()
        .fold(Credentials::none(), |all, (field, text)| all.with(field, Material::of_texts([("value", *text)])))
}

/// Opens a channel on the loopback.
pub(crate) fn channel(kind: &str, settings: &Value, credentials: Credentials) -> Result<Arc<dyn Channel>> {
    open(kind, settings, credentials, &local()).with_context(|| format!("open {kind}"))
}

/// The settings of a mail channel to a server without TLS.
pub(crate) fn mail_settings(smtp: &Smtp) -> Value {
    json!({
        "host": "127.0.0.1", "port": smtp.port, "tls": "none",
        "from": "Keywheel <keywheel@example.org>", "to": ["Web Team <web-team@example.org>"],
    })
}

/// The code of an outcome, with the word of its kind in front.
pub(crate) fn code(outcome: &Outcome) -> String {
    let word = match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Again { .. } => "again",
        Outcome::Refused { .. } => "refused",
        Outcome::Gone { .. } => "gone",
        Outcome::Unknown { .. } => "unknown",
    };
    let code = outcome.because().map(|because| format!(" {}", because.code)).unwrap_or_default();
    format!("{word}{code}")
}

/// A resolver that gives the answers of its script in turn; the last one stays.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<u64>,
}

impl Scripted {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |text: &&str| text.parse().expect("an address");
        let answers = answers.iter().map(|answer| answer.iter().map(parse).collect()).collect();
        Arc::new(Self { answers: Mutex::new(answers), asked: Mutex::default() })
    }

    pub(crate) fn asked(&self) -> u64 {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, _host: &'a str) -> Resolved<'a> {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { answer.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)) })
    }
}
