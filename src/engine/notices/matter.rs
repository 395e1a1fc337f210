//! What an event means to people: class, severity, words, and the matter (thread) that it belongs to. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    clock::from_micros,
    engine::alerts::kind as alert,
    notify::{Class, Message, Severity, State},
    store::Event,
};

/// What an event is about, beside its own facts.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    /// The name of the secret, target or channel; empty where it is gone.
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) tags: BTreeMap<String, String>,
    /// What stands in a link to it.
    pub(super) path: String,
}

/// What is to be told.
#[derive(Debug, Clone)]
pub(super) struct Matter {
    pub(super) message: Message,
    pub(super) deadline_at: Option<DateTime<Utc>>,
    /// Whether nothing may delay it: the last rung, or what is critical.
    pub(super) is_urgent: bool,
    /// Told only where the last notice of its thread is open.
    pub(super) is_answer: bool,
}

/// The words of a matter.
struct Words {
    kind: &'static str,
    class: Class,
    severity: Severity,
    state: State,
    thread: String,
    summary: String,
    will_do: String,
    asked: String,
}

/// Says what an event means; none where it is told by another one.
pub(super) fn matter_of(event: &Event, about: &About, tenant: &str, public_url: Option<&str>) -> Option<Matter> {
    let words = words_of(event, about)?;
    let expires_at = event.facts["expires_at"].as_i64().map(from_micros);
    let is_last = event.facts["is_last"].as_bool().unwrap_or(false);
    let is_open = words.state == State::Open;
    let deadline_at = expires_at.filter(|_| words.class == Class::Expiry && is_open);
    let is_urgent = is_last || words.severity == Severity::Critical;
    let link = public_url.map(|base| format!("{}/ui/{}", base.trim_end_matches('/'), encoded(&about.path)));
    let message = Message {
        id: String::new(),
        event_id: event.id.to_string(),
        kind: words.kind.to_owned(),
        class: words.class,
        severity: words.severity,
        state: words.state,
        thread: words.thread,
        tenant: tenant.to_owned(),
        subject: about.name.clone(),
        owner: about.owner.clone(),
        tags: about.tags.clone(),
        summary: words.summary,
        detail: detail_of(event),
        will_do: words.will_do,
        asked: words.asked,
        expires_at,
        at: event.at,
        link,
        items: Vec::new(),
    };
    Some(Matter { message, deadline_at, is_urgent, is_answer: !is_open })
}

fn words_of(event: &Event, about: &About) -> Option<Words> {
    match event.kind.as_str() {
        "rotation.planned" | "rotation.published" | "rotation.unwound" | "rotation.stuck" => rotation(event, about),
        "expiry.warned" => Some(warned(event, about)),
        "expiry.resolved" => Some(expiry_resolved(event, about)),
        "alert.opened" | "alert.closed" => alert_words(event, about),
        _ => other(event, about),
    }
}

/// The facts of an event; those of a rotation stand behind the version of their format.
fn facts(event: &Event) -> &Value {
    event.facts.get("facts").unwrap_or(&event.facts)
}

fn text<'e>(event: &'e Event, field: &str) -> &'e str {
    facts(event)[field].as_str().unwrap_or("")
}

/// The matter of failing rotations of a secret: opened by a failure, closed by the next publish.
fn failing(event: &Event) -> String {
    format!("rotation:{}", event.subject)
}

fn rotation(event: &Event, about: &About) -> Option<Words> {
    let id = event.rotation.as_ref()?;
    let name = &about.name;
    let because = facts(event)["because"]["sentence"].as_str().unwrap_or("");
    let hint = facts(event)["because"]["hint"].as_str().unwrap_or("").to_owned();
    let words = |kind, severity, state, summary: String| Words {
        kind,
        class: Class::Rotation,
        severity,
        state,
        thread: failing(event),
        summary,
        will_do: String::new(),
        asked: String::new(),
    };
    Some(match event.kind.as_str() {
        "rotation.planned" => Words {
            thread: format!("started:{id}"),
            ..words("rotation.started", Severity::Info, State::Open, format!("the rotation of `{name}` began"))
        },
        "rotation.published" => {
            let number = &facts(event)["number"];
            let summary = format!("`{name}` was rotated: version {number} is verified and current");
            words("rotation.succeeded", Severity::Info, State::Resolved, summary)
        }
        "rotation.unwound" => Words {
            will_do: "keywheel tries again by itself until its tries are used up".to_owned(),
            asked: hint,
            ..words(
                "rotation.rolled_back",
                Severity::Error,
                State::Open,
                format!("the rotation of `{name}` failed and was rolled back; the old value works: {because}"),
            )
        },
        _ => Words {
            asked: hint,
            ..words(
                "rotation.stuck",
                Severity::Critical,
                State::Open,
                format!("the rotation of `{name}` can go neither forward nor back; every value is kept: {because}"),
            )
        },
    })
}

fn warned(event: &Event, about: &About) -> Words {
    let name = &about.name;
    let expires_at = event.facts["expires_at"].as_i64().map(from_micros);
    let when = expires_at.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    let is_over = event.facts["rung"].as_i64() == Some(0);
    let is_last = event.facts["is_last"].as_bool().unwrap_or(false);
    let left = text(event, "left");
    let (kind, summary) = if is_over {
        ("expiry.expired", format!("`{name}` expired at {when}"))
    } else {
        ("expiry.warning", format!("`{name}` expires in {left}, at {when}"))
    };
    let severity = match (is_over, is_last) {
        (true, _) => Severity::Critical,
        (false, true) => Severity::Error,
        (false, false) => Severity::Warning,
    };
    Words {
        kind,
        class: Class::Expiry,
        severity,
        state: State::Open,
        thread: text(event, "thread").to_owned(),
        summary,
        will_do: text(event, "will_do").to_owned(),
        asked: text(event, "asked").to_owned(),
    }
}

fn expiry_resolved(event: &Event, about: &About) -> Words {
    Words {
        kind: "expiry.resolved",
        class: Class::Expiry,
        severity: Severity::Info,
        state: State::Resolved,
        thread: text(event, "thread").to_owned(),
        summary: format!("`{}` has a newer, verified value: the warning is over", about.name),
        will_do: String::new(),
        asked: String::new(),
    }
}

fn alert_words(event: &Event, about: &About) -> Option<Words> {
    let kind = text(event, "alert");
    let (kind, severity) = match kind {
        // These are told by the rotation's own events.
        alert::STUCK | alert::FAILED => return None,
        alert::UNDECIDED => ("rotation.undecided", Severity::Error),
        alert::DRIFTED => ("secret.drifted", Severity::Error),
        alert::UNREACHABLE => ("target.unreachable", Severity::Error),
        alert::DELIVERY => ("delivery.failing", Severity::Error),
        alert::RETIREMENT => ("retirement.failing", Severity::Warning),
        alert::CHANNEL => ("channel.failing", Severity::Error),
        alert::VANISHED => ("certificate.vanished", Severity::Error),
        alert::DIFFERS => ("certificate.differs", Severity::Error),
        _ => ("alert", Severity::Warning),
    };
    let is_closed = event.kind == "alert.closed";
    let thread = format!("alert:{}:{}", event.subject, text(event, "alert"));
    let words = Words {
        kind,
        class: if kind.starts_with("channel") { Class::Daemon } else { Class::Rotation },
        severity,
        state: State::Open,
        thread,
        summary: text(event, "sentence").to_owned(),
        will_do: String::new(),
        asked: text(event, "hint").to_owned(),
    };
    if !is_closed {
        return Some(words);
    }
    let summary = format!("over: {} of `{}`", text(event, "alert"), about.name);
    Some(Words { severity: Severity::Info, state: State::Resolved, summary, asked: String::new(), ..words })
}

fn other(event: &Event, about: &About) -> Option<Words> {
    let name = &about.name;
    let (kind, class, severity, summary) = match event.kind.as_str() {
        "occurrence.failed" => (
            "rotation.failed",
            Class::Rotation,
            Severity::Critical,
            format!("`{name}` could not be rotated, and keywheel does not try again by itself: {}", text(event, "why")),
        ),
        "schedule.missed" => (
            "rotation.missed",
            Class::Rotation,
            Severity::Warning,
            format!("planned rotations of `{name}` were missed: {}", text(event, "why")),
        ),
        "channel.dead_letter" => (
            "channel.dead_letter",
            Class::Daemon,
            Severity::Error,
            format!("a notice could not be delivered by `{name}` and was given up: {}", text(event, "why")),
        ),
        "channel.disabled" => (
            "channel.disabled",
            Class::Daemon,
            Severity::Error,
            format!("the channel `{name}` was disabled: {}", text(event, "why")),
        ),
        "daemon.clock_stepped" => (
            "daemon.clock_stepped",
            Class::Daemon,
            Severity::Warning,
            "the clock was set forward by over an hour; deactivation and retirement wait".to_owned(),
        ),
        _ => return None,
    };
    let thread = match event.kind.as_str() {
        "occurrence.failed" => failing(event),
        _ => format!("{kind}:{}", event.id),
    };
    let asked = text(event, "hint").to_owned();
    Some(Words { kind, class, severity, state: State::Open, thread, summary, will_do: String::new(), asked })
}

/// Labels and values for a reader, from the facts that are fit to be shown.
fn detail_of(event: &Event) -> Vec<(String, String)> {
    let shown = [
        ("rotation", event.rotation.as_ref().map(ToString::to_string)),
        ("version", number(&facts(event)["number"])),
        ("because", facts(event)["because"]["code"].as_str().map(str::to_owned)),
        ("rung", event.facts["rung_text"].as_str().map(str::to_owned)),
        ("superseded", event.facts["superseded"].as_str().filter(|text| !text.is_empty()).map(str::to_owned)),
        ("reason", Some(event.reason.clone()).filter(|reason| !reason.is_empty())),
    ];
    shown.into_iter().filter_map(|(label, value)| Some((label.to_owned(), value?))).collect()
}

fn number(value: &Value) -> Option<String> {
    value.as_i64().map(|number| number.to_string())
}

/// A path as it stands in a link: names may hold blanks and more (RFC 3986, 2.3).
fn encoded(path: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    path.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Actor, EventId, RotationId};

    fn event(kind: &str, facts: Value) -> Event {
        let at = from_micros(1_800_000_000_000_000);
        Event {
            id: EventId::mint(at, [1; 10]),
            subject: "sec_1".to_owned(),
            seq: 1,
            rotation: Some(RotationId::mint(at, [2; 10])),
            kind: kind.to_owned(),
            facts,
            actor: Actor::daemon(),
            reason: String::new(),
            at,
            written: Vec::new(),
        }
    }

    fn told(kind: &str, facts: Value) -> Option<Matter> {
        let about = About { name: "billing/db".to_owned(), path: "secrets/billing/db".to_owned(), ..About::default() };
        matter_of(&event(kind, facts), &about, "root", Some("https://keys.example.org/"))
    }

    #[test]
    fn a_success_answers_what_a_failure_opened() {
        let because = json!({ "code": "x", "sentence": "no", "hint": "h" });
        let failed = told("rotation.unwound", json!({ "v": 1, "facts": { "because": because } })).expect("told");
        let done = told("rotation.published", json!({ "v": 1, "facts": { "number": 2 } })).expect("told");
        assert_eq!(failed.message.thread, done.message.thread);
        assert!(!failed.is_answer && done.is_answer);
        assert!(failed.message.summary.ends_with(": no") && failed.message.asked == "h");
    }

    #[test]
    fn an_alert_that_a_rotation_tells_is_not_told_twice() {
        assert!(told("alert.opened", json!({ "alert": alert::STUCK })).is_none());
        assert!(told("alert.opened", json!({ "alert": alert::DRIFTED, "sentence": "s" })).is_some());
        assert!(told("secret.created", json!({})).is_none());
    }

    #[test]
    fn what_is_wrong_with_certificates_elsewhere_is_told() {
        for (kind, word) in [(alert::VANISHED, "certificate.vanished"), (alert::DIFFERS, "certificate.differs")] {
            let opened = told("alert.opened", json!({ "alert": kind, "sentence": "s", "hint": "h" })).expect("told");
            let closed = told("alert.closed", json!({ "alert": kind })).expect("told");
            assert_eq!((opened.message.kind.as_str(), opened.message.severity), (word, Severity::Error));
            assert!(opened.message.thread == closed.message.thread && closed.is_answer);
        }
    }

    #[test]
    fn links_come_from_the_configured_address_alone() {
        let matter = told("rotation.planned", json!({})).expect("told");
        assert_eq!(matter.message.link.as_deref(), Some("https://keys.example.org/ui/secrets/billing/db"));
    }

    #[test]
    fn only_an_open_warning_has_a_moment_that_it_is_about() {
        let facts = json!({ "expires_at": 1_900_000_000_000_000_i64, "rung": 86_400_000_000_i64, "thread": "t" });
        let warning = told("expiry.warned", facts.clone()).expect("told");
        assert!(warning.deadline_at.is_some() && warning.message.severity == Severity::Warning);
        assert!(told("expiry.resolved", facts).expect("told").deadline_at.is_none());
    }

    #[test]
    fn a_name_with_blanks_makes_a_link_all_the_same() {
        assert_eq!(encoded("secrets/domain example.org"), "secrets/domain%20example.org");
        assert_eq!(encoded("targets/größer?"), "targets/gr%C3%B6%C3%9Fer%3F");
    }
}
