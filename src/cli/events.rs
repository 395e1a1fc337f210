//! `keywheel events`.

use axum::http::Method;

use super::{CliError, Client, Cx, Exit, Format, output, table::Table};
use crate::http::{Page, native::EventLine};

/// Arguments of `keywheel events`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Goes on until interrupted: first the newest events, then each new one.
    #[arg(long, short)]
    follow: bool,
    /// Only events about this secret, target or id.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["follow", "after"])]
    subject: Option<String>,
    /// Only events after this one.
    #[arg(long, value_name = "EVENT")]
    after: Option<String>,
    /// Events at most, 1 to 1000; while following, those before it.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: u16,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let ask = client.ask(Method::GET, &["events"]).query("limit", args.limit.max(1));
    let ask = match (&args.subject, &args.after) {
        (Some(subject), _) => ask.query("subject", subject),
        (None, Some(after)) => ask.query("after", after),
        (None, None) => ask.query("newest", true),
    };
    let mut page: Page<EventLine> = ask.send().await?;
    if args.after.is_none() {
        page.items.reverse();
    }
    if !args.follow {
        output::show(cx.format, &page.items, |items| table(items));
        return Ok(Exit::Done);
    }
    let last = page.items.last().map(|event| event.id.clone()).or(args.after);
    page.items.iter().for_each(|event| print(cx.format, event));
    follow(cx, &client, last.unwrap_or_default()).await
}

async fn follow(cx: &Cx, client: &Client, mut after: String) -> Result<Exit, CliError> {
    loop {
        let ask = client.ask(Method::GET, &["events"]).query("follow", true).query("limit", 1000);
        let ask = if after.is_empty() { ask } else { ask.query("after", &after) };
        let page: Page<EventLine> = ask.send().await?;
        page.items.iter().for_each(|event| print(cx.format, event));
        if let Some(event) = page.items.last() {
            after.clone_from(&event.id);
        }
    }
}

fn print(format: Format, event: &EventLine) {
    match format {
        Format::Json => output::json_line(event),
        Format::Table => {
            let line = format!("{}  {}  {}  {}", output::time(Some(event.at)), event.kind, event.subject, brief(event));
            output::text(&format!("{}\n", super::table::escape(line.trim_end())));
        }
    }
}

fn table(events: &[EventLine]) -> Table {
    let mut table = Table::new(["TIME", "EVENT", "SUBJECT", "ACTOR", "WHAT"]);
    for event in events {
        table.row([
            output::time(Some(event.at)),
            event.kind.clone(),
            event.subject.clone(),
            event.actor.clone(),
            brief(event),
        ]);
    }
    table
}

/// The reason and the facts in one line.
fn brief(event: &EventLine) -> String {
    let facts = event.facts.get("facts").unwrap_or(&event.facts);
    let is_empty = facts.as_object().is_some_and(serde_json::Map::is_empty) || facts.is_null();
    match (event.reason.as_str(), is_empty) {
        ("", true) => String::new(),
        ("", false) => facts.to_string(),
        (reason, true) => reason.to_owned(),
        (reason, false) => format!("{reason} {facts}"),
    }
}
