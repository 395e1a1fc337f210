//! `keywheel track`.

use axum::http::Method;

use super::{expiring, when};
use crate::{
    cli::{CliError, Cx, Exit, output, secret::about::About, secret::show::time},
    engine::ops::{
        expiries::ExpiringLine,
        secret_read::SecretView,
        tracked::{TRACKED, Track},
    },
    http::Page,
};

/// Arguments of `keywheel track`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Tracks what lives elsewhere and expires: a domain, a licence, a certificate of somebody else.
    #[command(after_help = "Example: keywheel track add 'domain example.org' --expires 2027-03-01 --owner web-team")]
    Add(Box<Set>),
    /// Changes what is tracked: its date after a renewal, its owner, when to warn.
    #[command(after_help = "Example: keywheel track set 'domain example.org' --expires 2028-03-01")]
    Set(Box<Set>),
    /// Lists what is tracked, the earliest expiry first.
    #[command(after_help = "Example: keywheel track list")]
    List,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// Its name.
    name: String,
    #[command(flatten)]
    about: About,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    match args.what {
        What::Add(add) => put(cx, *add, true).await,
        What::Set(set) => put(cx, *set, false).await,
        What::List => {
            let mut page: Page<ExpiringLine> = cx.client()?.ask(Method::GET, &["expiring"]).send().await?;
            page.items.retain(|line| line.kind == TRACKED);
            output::show(cx.format, &page.items, |lines| expiring::table(lines));
            Ok(expiring::attention(&page.items))
        }
    }
}

async fn put(cx: &Cx, set: Set, is_new: bool) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let request = Track { about: set.about.read()?, reason: set.reason };
    let ask = client.ask(Method::PUT, &["tracked", &set.name]).query("is_new", is_new);
    let view: SecretView = ask.body(&request).send().await?;
    output::show_lines(cx.format, &view, |view| {
        let line = &view.line;
        let left = line.expires_at.map_or_else(|| "never".to_owned(), when::left);
        vec![format!("{} is tracked: it expires {} ({left})", line.name, time(line.expires_at))]
    });
    Ok(Exit::Done)
}
