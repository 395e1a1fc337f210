//! `keywheel expiring`.

use axum::http::Method;

use super::when;
use crate::{
    cli::{CliError, Cx, Exit, client::broken_off, output, secret::show::time, table::Table},
    engine::ops::{expiries::ExpiringLine, tracked::TRACKED},
    http::Page,
};

/// Arguments of `keywheel expiring`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 5 says that something has expired.\n\nExamples:\n  keywheel expiring --within 60d\n  \
                        keywheel expiring --ics > expiries.ics"
)]
pub struct Args {
    /// How far ahead to look, such as `60d`; everything with a date if not given.
    #[arg(long, value_name = "DURATION", conflicts_with = "ics")]
    within: Option<String>,
    /// Only what this owner answers for.
    #[arg(long, value_name = "TEXT", conflicts_with = "ics")]
    owner: Option<String>,
    /// Prints a calendar of all expiries and planned rotations instead (iCalendar).
    #[arg(long)]
    ics: bool,
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    if args.ics {
        let response = client.ask(Method::GET, &["expiring.ics"]).send_raw().await?;
        output::text(&response.text().await.map_err(|error| broken_off(&error))?);
        return Ok(Exit::Done);
    }
    let ask = client.ask(Method::GET, &["expiring"]);
    let ask = ask.maybe_query("within", args.within).maybe_query("owner", args.owner);
    let page: Page<ExpiringLine> = ask.send().await?;
    output::show(cx.format, &page.items, |lines| table(lines));
    Ok(attention(&page.items))
}

/// A person must look at what has expired.
pub(super) fn attention(lines: &[ExpiringLine]) -> Exit {
    if lines.iter().any(|line| when::is_over(line.expires_at)) { Exit::NeedsAttention } else { Exit::Done }
}

pub(super) fn table(lines: &[ExpiringLine]) -> Table {
    let mut table = Table::new(["NAME", "EXPIRES", "LEFT", "ROTATES", "OWNER", "WARNED", "READS", "KIND"]);
    for line in lines {
        let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        table.row([
            line.name.clone(),
            time(Some(line.expires_at)),
            when::left(line.expires_at),
            time(line.rotates_at),
            dash(&line.owner),
            dash(line.told.as_deref().unwrap_or_default()),
            if line.kind == TRACKED { "-".to_owned() } else { line.standing.clone() },
            line.kind.clone(),
        ]);
    }
    table
}
