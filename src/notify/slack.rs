//! Slack, by an incoming webhook: <https://docs.slack.dev/reference/block-kit/blocks>.
//!
//! Limits: 50 blocks, 150 characters in a heading, 3,000 in a text, 2,000 in a field, 10 fields in a section, 40,000
//! in all. Texts are `verbatim`, so that nothing in them becomes a mention or a link.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{
    Channel, Checked, Credentials, Limits, Message, NotifyError, Outcome, Sending, Severity, State,
    client::Client,
    hook,
    text::{cut_units, escape},
    view,
};

const KIND: &str = "slack";
const BLOCKS: usize = 50;
const HEADING: usize = 150;
const TEXT: usize = 3_000;
const FIELD: usize = 2_000;
const FIELDS: usize = 10;
/// Below Slack's 40,000, as JSON adds its own.
const ALL: usize = 38_000;

pub(super) fn check(settings: &Value) -> Result<Checked, NotifyError> {
    hook::check(KIND, settings)
}

pub(super) fn open(
    settings: &Value,
    credentials: &Credentials,
    limits: &Limits,
) -> Result<Box<dyn Channel>, NotifyError> {
    Ok(Box::new(Slack { client: hook::client(KIND, settings, credentials, limits)? }))
}

struct Slack {
    client: Client,
}

impl Slack {
    async fn attempt(&self, message: &Message, deadline: Duration) -> Outcome {
        let body = payload(message).to_string().into_bytes();
        self.client.post("application/json; charset=utf-8", HeaderMap::new(), body, deadline).await
    }
}

impl Channel for Slack {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn send<'a>(&'a self, message: &'a Message, deadline: Duration) -> Sending<'a> {
        Box::pin(self.attempt(message, deadline))
    }
}

fn payload(message: &Message) -> Value {
    let heading = format!("{} {}", mark(message), view::heading(message));
    let mut blocks = vec![json!({ "type": "header", "text": plain(&heading, HEADING) })];
    let mut room = ALL - 2 * heading.len().min(TEXT);
    blocks.push(section(&view::heading(message), &mut room));
    let facts = view::facts(message);
    blocks.extend(facts.chunks(FIELDS).filter_map(|some| fields(some, &mut room)));
    for (label, text) in [("What keywheel does", &message.will_do), ("What is asked of you", &message.asked)] {
        if !text.is_empty() {
            blocks.push(section(&format!("{label}: {text}"), &mut room));
        }
    }
    let footer = format!("keywheel, {}, {}, notice {}", message.kind, view::time(message.at), message.id);
    let mut last = vec![json!({ "type": "context", "elements": [plain(&footer, TEXT)] })];
    if let Some(link) = message.link.as_deref().filter(|link| link.len() <= TEXT) {
        let button = json!({ "type": "button", "text": plain("Open", 75), "url": link });
        last.insert(0, json!({ "type": "actions", "elements": [button] }));
    }
    let places = BLOCKS - 1 - blocks.len().min(BLOCKS - 2 - last.len()) - last.len();
    items(message, places, &mut room, &mut blocks);
    blocks.truncate(BLOCKS - last.len());
    blocks.append(&mut last);
    json!({ "text": cut_units(&escape(&heading), TEXT), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

/// The lines of a digest, several to a block; what has no room is counted.
fn items(message: &Message, places: usize, room: &mut usize, blocks: &mut Vec<Value>) {
    let mut lines = message.items.iter().map(|item| format!("• {}", view::item(item))).peekable();
    for _ in 0..places.min(30) {
        let mut text = String::new();
        while let Some(line) =
            lines.next_if(|line| text.len() + escape(line).len() < TEXT - 10 && text.len() + line.len() < *room)
        {
            text.push_str(&line);
            text.push('\n');
        }
        if text.is_empty() {
            break;
        }
        blocks.push(section(text.trim_end(), room));
    }
    let left = lines.count();
    if left > 0 {
        let mut reserve = TEXT;
        blocks.push(section(&format!("… and {left} more"), &mut reserve));
    }
}

fn section(text: &str, room: &mut usize) -> Value {
    let text = cut_units(&escape(text), TEXT.min(*room));
    *room = room.saturating_sub(text.len());
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

fn fields(facts: &[(String, String)], room: &mut usize) -> Option<Value> {
    let field = |(label, value): &(String, String)| {
        let text = cut_units(&format!("*{}*\n{}", escape(label), escape(value)), FIELD.min(*room / FIELDS));
        json!({ "type": "mrkdwn", "text": text, "verbatim": true })
    };
    let made: Vec<Value> = facts.iter().map(field).collect();
    let used: usize = made.iter().map(|field| field["text"].as_str().map_or(0, str::len)).sum();
    *room = room.saturating_sub(used);
    (*room > TEXT).then(|| json!({ "type": "section", "fields": made }))
}

fn plain(text: &str, most: usize) -> Value {
    json!({ "type": "plain_text", "text": cut_units(text, most), "emoji": false })
}

fn mark(message: &Message) -> &'static str {
    match (message.state, message.severity) {
        (State::Resolved, _) => "✅",
        (State::Open, Severity::Info) => "ℹ️",
        (State::Open, Severity::Warning) => "⚠️",
        (State::Open, Severity::Error) => "❌",
        (State::Open, Severity::Critical) => "🚨",
    }
}
