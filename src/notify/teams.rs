//! Microsoft Teams, by a workflow's webhook: an Adaptive Card 1.4 in its envelope.
//!
//! <https://learn.microsoft.com/en-us/connectors/teams/#microsoft-teams-webhook>. A message has at most 28 KB. Texts
//! are runs of a `RichTextBlock`, which knows no Markdown, so nothing in them becomes a link.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{
    Channel, Checked, Credentials, Limits, Message, NotifyError, Outcome, Sending, Severity, State, client::Client,
    hook, text::cut, view,
};

const KIND: &str = "teams";
/// Below 28 KB, however it is counted.
const MAX_BODY: usize = 27 * 1_000;

pub(super) fn check(settings: &Value) -> Result<Checked, NotifyError> {
    hook::check(KIND, settings)
}

pub(super) fn open(
    settings: &Value,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Box<dyn Channel>, NotifyError> {
    Ok(Box::new(Teams { client: hook::client(KIND, settings, credentials, limits)? }))
}

struct Teams {
    client: Client,
}

impl Teams {
    async fn attempt(&self, message: &Message, deadline: Duration) -> Outcome {
        let answer = match self.client.ask("application/json", HeaderMap::new(), bounded(message), deadline).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        // The older connectors answer 200 and tell a failure in the text.
        if answer.status.is_success() && answer.body.contains("delivery failed") {
            return Outcome::again(
                "teams-not-delivered",
                format!("Teams answered {}", answer.told()),
                "it is tried again",
            );
        }
        answer.outcome()
    }
}

impl Channel for Teams {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn send<'a>(&'a self, message: &'a Message, deadline: Duration) -> Sending<'a> {
        Box::pin(self.attempt(message, deadline))
    }
}

/// The card, with shorter texts and fewer lines until it fits.
fn bounded(message: &Message) -> Vec<u8> {
    let (mut lines, mut longest) = (message.items.len(), 2_000);
    loop {
        let body = payload(message, lines, longest).to_string().into_bytes();
        if body.len() <= MAX_BODY || longest < 20 {
            return body;
        }
        if lines > 20 { lines /= 2 } else { longest /= 2 }
    }
}

fn payload(message: &Message, lines: usize, longest: usize) -> Value {
    let heading = run(
        &cut(&view::heading(message), longest),
        &json!({ "weight": "Bolder", "size": "Large", "color": colour(message) }),
    );
    let mut body = vec![block(&[heading])];
    // Each label and value may be long; together they may not crowd out the rest.
    for (label, value) in view::facts(message).iter().take(24) {
        let label = run(&format!("{}: ", cut(label, longest / 4)), &json!({ "isSubtle": true }));
        body.push(block(&[label, run(&cut(value, longest / 2), &json!({}))]));
    }
    body.extend(
        message
            .items
            .iter()
            .take(lines)
            .map(|item| block(&[run(&cut(&format!("• {}", view::item(item)), longest), &json!({}))])),
    );
    if message.items.len() > lines {
        body.push(block(&[run(&format!("… and {} more", message.items.len() - lines), &json!({}))]));
    }
    for (label, text) in [("What keywheel does: ", &message.will_do), ("What is asked of you: ", &message.asked)] {
        if !text.is_empty() {
            body.push(block(&[run(label, &json!({ "weight": "Bolder" })), run(&cut(text, longest), &json!({}))]));
        }
    }
    let footer = format!("keywheel, {}, {}, notice {}", message.kind, view::time(message.at), message.id);
    body.push(block(&[run(&cut(&footer, 500), &json!({ "isSubtle": true, "size": "Small" }))]));
    let link = message.link.iter().map(|link| json!({ "type": "Action.OpenUrl", "title": "Open", "url": link }));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard", "version": "1.4", "msteams": { "width": "Full" },
                "fallbackText": cut(&view::heading(message), longest.min(500)),
                "body": body, "actions": link.collect::<Vec<_>>(),
            },
        }],
    })
}

fn block(inlines: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}

fn run(text: &str, style: &Value) -> Value {
    let mut run = json!({ "type": "TextRun", "text": text });
    for (key, value) in style.as_object().into_iter().flatten() {
        run[key] = value.clone();
    }
    run
}

fn colour(message: &Message) -> &'static str {
    match (message.state, message.severity) {
        (State::Resolved, _) => "Good",
        (State::Open, Severity::Info) => "Accent",
        (State::Open, Severity::Warning) => "Warning",
        (State::Open, Severity::Error | Severity::Critical) => "Attention",
    }
}
