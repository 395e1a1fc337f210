//! `keywheel status`.

use axum::http::Method;

use super::{CliError, Cx, Exit, output};
use crate::engine::ops::{access::listener::ListenerView, status::Status};

/// Arguments of `keywheel status`.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) async fn run(cx: &Cx, _args: Args) -> Result<Exit, CliError> {
    let status: Status = cx.client()?.ask(Method::GET, &["status"]).send().await?;
    let is_told = status.channels_failing.is_empty() && status.dead_letters == 0;
    let is_served = status.https.as_ref().is_none_or(|https| https.state == "serves");
    let is_well = status.alerts.is_empty() && !status.short_of_room && is_told && is_served;
    output::show_lines(cx.format, &status, lines);
    Ok(if is_well { Exit::Done } else { Exit::NeedsAttention })
}

fn lines(status: &Status) -> Vec<String> {
    let ends: Vec<String> = status.occurrences.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let ends = if ends.is_empty() { "none".to_owned() } else { ends.join(", ") };
    let rotators = if status.rotators.is_empty() { "none".to_owned() } else { status.rotators.join(", ") };
    let mut lines = vec![
        format!("keywheel      {}", status.version),
        format!("store         {}", status.store),
        format!("rotators      {rotators}"),
        format!("secrets       {} ({} managed)", status.secrets, status.managed),
        format!("targets       {}", status.targets),
        format!("rotations     {} running", status.rotations_running),
        format!("last 24 h     {ends}"),
        format!("due           {}", status.due),
        format!("next due      {}", output::time(status.next_due_at)),
        format!("undelivered   {}", undelivered(status)),
        format!("dead letters  {}", status.dead_letters),
        format!("alerts        {}", status.alerts.len()),
    ];
    if let Some(https) = &status.https {
        lines.extend(https_lines(https));
    }
    if !status.channels_failing.is_empty() {
        lines.push(format!("failing       {}: see `keywheel channel list`", status.channels_failing.join(", ")));
    }
    if status.dead_letters > 0 {
        lines
            .push("  hint: `keywheel notices --failed` lists them, `keywheel notice resend ID` sends one again".into());
    }
    if let Some(since) = status.clock_held_since {
        let since = output::time(Some(since));
        lines.push(format!("the clock was set forward after {since}: `keywheel clock confirm`, or wait ten minutes"));
    }
    if status.short_of_room {
        lines.push("the store's disk is full: no new rotation starts until there is room".to_owned());
    }
    for alert in &status.alerts {
        lines.push(format!("  {} {}: {}", output::time(Some(alert.opened_at)), alert.kind, alert.sentence));
        lines.push(format!("    hint: {}", alert.hint));
    }
    lines
}

fn https_lines(https: &ListenerView) -> Vec<String> {
    let place = format!("{} by `{}`", https.address, https.certificate);
    let what = match https.state.as_str() {
        "serves" => {
            let until = output::time(https.expires_at.map(|at| at.0));
            return vec![format!("https         {place}, valid until {until}")];
        }
        "stale" => "SHOWS AN OLDER CERTIFICATE",
        "expired" => "SHOWS AN EXPIRED CERTIFICATE",
        _ => "IS NOT SERVED",
    };
    vec![format!("https         {place} {what}: {}", https.finding), format!("  hint: {}", https.hint)]
}

fn undelivered(status: &Status) -> String {
    match status.oldest_undelivered_at {
        Some(at) => format!("{} (the oldest since {})", status.undelivered, output::time(Some(at))),
        None => "0".to_owned(),
    }
}
