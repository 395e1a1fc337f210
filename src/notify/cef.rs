//! ArcSight's Common Event Format, version 0, in a syslog message, for a SIEM.
//!
//! "Implementing ArcSight Common Event Format": in the header `\` and `|` are escaped, in the extension `\` and `=`;
//! line ends do not occur, as texts are one line each.

use std::time::Duration;

use serde_json::Value;

use super::{
    Channel, Checked, Limits, Message, NotifyError, Sending, Severity, State,
    syslog::{Collector, check_as},
    text::cut,
    view,
};

const KIND: &str = "cef";
/// The longest value of the extension; CEF gives `msg` 1,023 characters.
const VALUE: usize = 1_023;
/// The longest name of an event.
const NAME: usize = 512;

pub(super) fn check(settings: &Value) -> Result<Checked, NotifyError> {
    check_as(KIND, settings)
}

pub(super) fn open(settings: &Value, limits: &Limits) -> Result<Box<dyn Channel>, NotifyError> {
    Ok(Box::new(Cef { collector: Collector::open(KIND, settings, limits)? }))
}

struct Cef {
    collector: Collector,
}

impl Channel for Cef {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn send<'a>(&'a self, message: &'a Message, deadline: Duration) -> Sending<'a> {
        Box::pin(async move { self.collector.tell(message, &event(message), deadline).await })
    }
}

fn event(message: &Message) -> String {
    let header = [
        "CEF:0",
        "keywheel",
        "keywheel",
        env!("CARGO_PKG_VERSION"),
        &message.kind,
        &cut(&view::heading(message), NAME),
    ];
    let header: Vec<String> = header.iter().map(|field| in_header(field)).collect();
    format!("{}|{}|{}", header.join("|"), severity(message), extension(message))
}

fn in_header(text: &str) -> String {
    text.replace('\\', r"\\").replace('|', r"\|")
}

fn in_extension(text: &str) -> String {
    cut(text, VALUE).replace('\\', r"\\").replace('=', r"\=")
}

/// 0 to 10.
fn severity(message: &Message) -> u8 {
    match (message.state, message.severity) {
        (State::Resolved, _) => 1,
        (State::Open, Severity::Info) => 2,
        (State::Open, Severity::Warning) => 5,
        (State::Open, Severity::Error) => 7,
        (State::Open, Severity::Critical) => 10,
    }
}

fn extension(message: &Message) -> String {
    let milliseconds = message.at.timestamp_millis().to_string();
    let expires_at = message.expires_at.map(|at| at.timestamp_millis().to_string()).unwrap_or_default();
    let said = [&message.summary, &message.will_do, &message.asked];
    let said: Vec<&str> = said.into_iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    let said = said.join(" ");
    let pairs = [
        ("externalId", message.id.as_str()),
        ("rt", &milliseconds),
        ("cat", message.class.word()),
        ("outcome", message.state.word()),
        ("msg", &said),
        ("suser", &message.owner),
        ("cs1Label", "subject"),
        ("cs1", &message.subject),
        ("cs2Label", "tenant"),
        ("cs2", &message.tenant),
        ("cs3Label", "thread"),
        ("cs3", &message.thread),
        ("deviceCustomDate1Label", "expires"),
        ("deviceCustomDate1", &expires_at),
        ("request", message.link.as_deref().unwrap_or_default()),
    ];
    let is_told = |at: usize| {
        let (name, value) = pairs[at];
        let is_label_of_nothing = name.ends_with("Label") && pairs[at + 1].1.is_empty();
        !value.is_empty() && !is_label_of_nothing
    };
    let told =
        (0..pairs.len()).filter(|at| is_told(*at)).map(|at| format!("{}={}", pairs[at].0, in_extension(pairs[at].1)));
    told.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_escapes_its_own_separators() {
        assert_eq!(in_header(r"a|b\c=d"), r"a\|b\\c=d");
        assert_eq!(in_extension(r"a|b\c=d"), r"a|b\\c\=d");
    }
}
