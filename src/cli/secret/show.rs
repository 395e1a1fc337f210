//! How secrets, their versions and what happened to them are shown to people.

use crate::{
    cli::{output, table::Table},
    engine::ops::{
        expiry_rules::ExpiryView,
        secret_read::{SecretHistory, SecretLine, SecretPage, SecretView},
        views::{DeliveryView, EventView, VersionView},
        wire::Moment,
    },
};

/// A time, or `-`.
pub(in crate::cli) fn time(at: Option<Moment>) -> String {
    output::time(at.map(|at| at.0))
}

fn dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

fn state(line: &SecretLine) -> &'static str {
    match (&line.deleted_at, &line.rotation, &line.target) {
        (Some(_), _, _) => "deleted",
        (_, Some(_), _) => "rotating",
        (_, _, Some(_)) => "managed",
        (_, _, None) => "kept",
    }
}

/// The list of secrets.
pub(in crate::cli) fn page_table(page: &SecretPage) -> Table {
    let mut table = Table::new(["NAME", "STATE", "VERSION", "TARGET", "NEXT DUE", "EXPIRES", "OWNER", "TAGS"]);
    for line in &page.secrets {
        let tags: Vec<String> = line.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        table.row([
            line.name.clone(),
            state(line).to_owned(),
            line.version.to_string(),
            dash(line.target.as_deref()),
            time(line.next_due_at),
            time(line.expires_at),
            dash(Some(&line.owner)),
            dash(Some(&tags.join(","))),
        ]);
    }
    table
}

/// Lines of a table with its heads, indented.
pub(in crate::cli) fn indented(table: &Table) -> impl Iterator<Item = String> {
    let text = table.render(None);
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().into_iter()
}

fn versions(found: &[VersionView]) -> Table {
    let mut table = Table::new(["VERSION", "STAGE", "IDENTITY", "MADE", "PUBLISHED", "RETIRES", "ID"]);
    for version in found {
        let gone = [
            (version.destroyed_at.is_some(), " (destroyed)"),
            (version.deleted_at.is_some(), " (deleted)"),
            (version.deactivated_at.is_some(), " (switched off)"),
        ];
        let gone = gone.iter().find(|(is_so, _)| *is_so).map_or("", |(_, word)| word);
        table.row([
            version.number.map_or_else(|| "-".to_owned(), |number| number.to_string()),
            format!("{}{gone}", version.stage),
            dash(Some(&version.identity)),
            time(Some(version.created_at)),
            time(version.published_at),
            time(version.retired_at.or(version.retire_at)),
            version.id.clone(),
        ]);
    }
    table
}

/// The deliveries of a secret.
pub(in crate::cli) fn deliveries(found: &[DeliveryView]) -> Table {
    let mut table = Table::new(["DELIVERY", "DELIVERED", "AT", "FAILURES", "FILE", "LAST ERROR"]);
    for delivery in found {
        let place = |key: &str| delivery.settings[key].as_str().unwrap_or("?");
        let version = delivery.delivered.as_deref().unwrap_or("nothing yet");
        let state = if delivery.is_delivered { "current" } else { "behind" };
        table.row([
            delivery.name.clone(),
            format!("{state} ({version})"),
            time(delivery.delivered_at),
            delivery.attempts.to_string(),
            format!("{}:{}", place("root"), place("path")),
            dash(Some(&delivery.last_error)),
        ]);
    }
    table
}

/// What happened.
pub(in crate::cli) fn events(found: &[EventView]) -> Table {
    let mut table = Table::new(["TIME", "EVENT", "ACTOR", "ROTATION", "REASON"]);
    for event in found {
        table.row([
            time(Some(event.at)),
            event.kind.clone(),
            event.actor.clone(),
            dash(event.rotation.as_deref()),
            event.reason.clone(),
        ]);
    }
    table
}

/// What is decided about the expiry, and what was told of it.
fn expiry_lines(expiry: &ExpiryView) -> Vec<String> {
    let mut lines = Vec::new();
    let mut tell = |what: &str, said: &str| lines.push(format!("  {what:11} {said}"));
    if let Some(lasts) = &expiry.lasts {
        tell("each lasts", lasts);
    }
    if let Some(action) = &expiry.on_expiry {
        tell("on expiry", action);
    }
    let mode = expiry.ladder.mode.map(|mode| mode.as_str().to_owned());
    let rungs = expiry.ladder.rungs.as_ref().map(|rungs| rungs.join(", "));
    if mode.is_some() || rungs.is_some() {
        tell("warned", &mode.into_iter().chain(rungs).collect::<Vec<_>>().join(" "));
    }
    if let Some(told) = &expiry.told {
        tell("told last", told);
    }
    if let Some(until) = &expiry.overridden_until {
        tell("lifted", &format!("until {until}: {}", expiry.override_reason.as_deref().unwrap_or_default()));
    }
    lines
}

/// All that is known of a secret.
pub(in crate::cli) fn lines(view: &SecretView) -> Vec<String> {
    let line = &view.line;
    let tags: Vec<String> = line.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut lines = vec![
        format!("name          {}", line.name),
        format!("id            {}", line.id),
        format!("state         {}", state(line)),
        format!("kind          {}", line.kind),
        format!("owner         {}", dash(Some(&line.owner))),
        format!("description   {}", dash(Some(&view.description))),
        format!("tags          {}", dash(Some(&tags.join(", ")))),
        format!("expires       {}", time(line.expires_at)),
    ];
    if let Some(expiry) = &view.expiry {
        lines.extend(expiry_lines(expiry));
    }
    if let Some(target) = &line.target {
        lines.push(format!("target        {target}"));
        lines.push(format!("settings      {}", view.settings));
        lines.push(format!("overlap       {} s", view.overlap_seconds));
        lines.push(format!("next due      {}", time(line.next_due_at)));
    }
    if let Some(paused) = view.schedule.as_ref().and_then(|schedule| schedule.paused_at) {
        lines.push(format!("paused        since {paused}"));
    }
    for given in &view.acknowledged {
        lines.push(format!("acknowledged  {} by {} at {}", given.code, given.actor, given.at));
    }
    if !view.versions.is_empty() {
        lines.push("versions at work".to_owned());
        lines.extend(indented(&versions(&view.versions)));
    }
    if !view.deliveries.is_empty() {
        let done = view.deliveries.iter().filter(|delivery| delivery.is_delivered).count();
        lines.push(format!("deliveries: {done} of {} have the current version", view.deliveries.len()));
        lines.extend(indented(&deliveries(&view.deliveries)));
    }
    for open in &view.occurrences {
        let wait = open.not_before.map(|at| format!(", not before {at}")).unwrap_or_default();
        lines.push(format!("waits         {} {} since {}{wait}", open.origin, open.id, open.created_at));
    }
    if let Some(rotation) = &view.rotation_line {
        lines.push(format!("last rotation {} {} {}", rotation.id, rotation.status, rotation.detail));
    }
    for alert in &view.alerts {
        lines.push(format!("alert         {} since {}: {}", alert.kind, alert.opened_at, alert.sentence));
        lines.push(format!("  hint: {}", alert.hint));
    }
    lines
}

/// The versions of a secret and what happened to it.
pub(in crate::cli) fn history(found: &SecretHistory) -> Vec<String> {
    let versions = versions(&found.versions).render(None);
    let events = events(&found.events).render(None);
    versions.lines().chain([""]).chain(events.lines()).map(str::to_owned).collect()
}
