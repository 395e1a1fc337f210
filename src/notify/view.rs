//! The same message as people read it, whatever the channel: a heading, facts, times.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Message, State};

/// The heading: what it is about, what happened, and whether it is over.
pub(super) fn heading(message: &Message) -> String {
    let names_it = message.subject.is_empty() || message.summary.contains(&message.subject);
    let sentence = if names_it { message.summary.clone() } else { format!("{}: {}", message.subject, message.summary) };
    match message.state {
        State::Open => sentence,
        State::Resolved => format!("Resolved: {sentence}"),
    }
}

/// What there is to know, as labels with values, in the order of interest.
pub(super) fn facts(message: &Message) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut add = |label: &str, value: String| {
        if !value.is_empty() {
            facts.push((label.to_owned(), value));
        }
    };
    add("Concerns", message.subject.clone());
    if let Some(expires_at) = message.expires_at {
        add("Expires", format!("{} ({})", time(expires_at), distance(message.at, expires_at)));
    }
    add("Owner", message.owner.clone());
    add("Tenant", message.tenant.clone());
    add("Tags", tags(message));
    facts.extend(message.detail.iter().map(|(label, value)| (capitalised(label), value.clone())));
    facts
}

fn capitalised(label: &str) -> String {
    let mut rest = label.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// The tags in one text.
pub(super) fn tags(message: &Message) -> String {
    let each =
        message.tags.iter().map(|(key, value)| if value.is_empty() { key.clone() } else { format!("{key}={value}") });
    each.collect::<Vec<_>>().join(", ")
}

/// A time as people read it.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// How far away a time is, seen from another.
pub(super) fn distance(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let away = to - from;
    let amount = amount(away.abs());
    match away {
        _ if away.abs() < TimeDelta::minutes(1) => "now".to_owned(),
        _ if away > TimeDelta::zero() => format!("in {amount}"),
        _ => format!("{amount} ago"),
    }
}

fn amount(span: TimeDelta) -> String {
    let (count, unit) = match span {
        _ if span >= TimeDelta::days(2) => (span.num_days(), "day"),
        _ if span >= TimeDelta::hours(2) => (span.num_hours(), "hour"),
        _ => (span.num_minutes(), "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The line of a digest in one text.
pub(super) fn item(item: &super::Item) -> String {
    let what = match (item.name.as_str(), item.sentence.as_str()) {
        ("", sentence) => sentence.to_owned(),
        (name, "") => name.to_owned(),
        (name, sentence) if sentence.contains(name) => sentence.to_owned(),
        (name, sentence) => format!("{name}: {sentence}"),
    };
    item.expires_at.map_or(what.clone(), |at| format!("{what} ({})", time(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_told_in_whole_units() {
        let from = DateTime::<Utc>::UNIX_EPOCH;
        let cases = [
            (TimeDelta::days(14), "in 14 days"),
            (TimeDelta::hours(47), "in 47 hours"),
            (TimeDelta::minutes(90), "in 90 minutes"),
            (TimeDelta::seconds(61), "in 1 minute"),
            (TimeDelta::zero(), "now"),
            (-TimeDelta::days(3), "3 days ago"),
        ];
        for (away, expected) in cases {
            assert_eq!(distance(from, from + away), expected);
        }
    }
}
