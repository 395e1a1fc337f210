//! `keywheel silence`.

use axum::http::Method;

use super::{
    matching::{Matching, words},
    when,
};
use crate::{
    cli::{CliError, Cx, Exit, output, secret::show::time, table::Table},
    engine::ops::routes::{PutSilence, SilenceView},
    http::Page,
};

/// Arguments of `keywheel silence`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lets nobody be told of what matches, until an end, for a reason.
    #[command(
        after_help = "Example: keywheel silence add --for 2h --name-prefix billing/ --reason 'moving the database'"
    )]
    Add(Box<Add>),
    /// Lists the silences.
    #[command(after_help = "Example: keywheel silence list")]
    List,
    /// Ends a silence.
    #[command(after_help = "Example: keywheel silence end doc_01jd…")]
    End {
        /// Its id.
        id: String,
    },
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("end").required(true).args(["until", "lasting"]))]
struct Add {
    /// Its end, such as `2027-01-31` or `2027-01-31T12:00:00Z`.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How long it lasts, such as `2h`.
    #[arg(long = "for", value_name = "DURATION")]
    lasting: Option<String>,
    #[command(flatten)]
    matching: Matching,
    /// Why; it must be given.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.what {
        What::Add(add) => {
            let until = when::until(add.until.as_deref(), add.lasting.as_deref())?;
            let request = PutSilence { matching: add.matching.read()?, until, reason: add.reason };
            let view: SilenceView = client.ask(Method::POST, &["silences"]).body(&request).send().await?;
            output::show_lines(cx.format, &view, |view| {
                vec![format!("silence {} until {}: {}", view.id, view.until, words(&view.matching))]
            });
        }
        What::List => {
            let page: Page<SilenceView> = client.ask(Method::GET, &["silences"]).send().await?;
            output::show(cx.format, &page.items, |silences| table(silences));
        }
        What::End { id } => {
            client.ask(Method::DELETE, &["silences", &id]).send_unit().await?;
            output::remark(&format!("silence {id} is over"));
        }
    }
    Ok(Exit::Done)
}

fn table(silences: &[SilenceView]) -> Table {
    let mut table = Table::new(["ID", "UNTIL", "BY", "MATCHES", "REASON"]);
    for silence in silences {
        let until = if silence.is_over { "over".to_owned() } else { time(Some(silence.until)) };
        let matches = words(&silence.matching);
        table.row([silence.id.clone(), until, silence.actor.clone(), matches, silence.reason.clone()]);
    }
    table
}
