//! `keywheel route`.

use axum::http::Method;

use super::matching::{Matching, words};
use crate::{
    cli::{CliError, Cx, Exit, output, table::Table},
    engine::{
        ops::routes::RouteView,
        rules::{Quiet, RouteRules},
    },
    http::Page,
    schedule::HumanDuration,
};

/// Arguments of `keywheel route`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Makes a route, or changes the one of that name: who is told of what.
    #[command(after_help = "Examples:\n  keywheel route put everything --to mail\n  keywheel route put urgent --to \
                            pager --severity error --escalate-after 1h --escalate-to boss\n  keywheel route put web \
                            --to web-chat --kind 'expiry.*' --owner web-team --quiet '22:00-07:00' --timezone \
                            Europe/Berlin")]
    Put(Box<Put>),
    /// Lists the routes.
    #[command(after_help = "Example: keywheel route list")]
    List,
    /// Takes a route away.
    #[command(after_help = "Example: keywheel route delete web")]
    Delete {
        /// Its name.
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Put {
    /// Its name.
    name: String,
    /// A channel that is told.
    #[arg(long, value_name = "CHANNEL", required = true, num_args = 1..)]
    to: Vec<String>,
    #[command(flatten)]
    matching: Matching,
    /// How many warnings that wait for one channel become a digest; 10 if not given.
    #[arg(long, value_name = "N")]
    digest_from: Option<u32>,
    /// When nothing but what is critical, or the last warning, is sent, such as `22:00-07:00`.
    #[arg(long, value_name = "WINDOW")]
    quiet: Option<String>,
    /// The zone of the quiet hours, such as `Europe/Berlin`; UTC if not given.
    #[arg(long, value_name = "ZONE", requires = "quiet")]
    timezone: Option<String>,
    /// How long nobody may acknowledge before further channels are told, such as `1h`.
    #[arg(long, value_name = "DURATION")]
    escalate_after: Option<String>,
    /// A channel that is told then.
    #[arg(long, value_name = "CHANNEL", num_args = 1..)]
    escalate_to: Vec<String>,
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.what {
        What::Put(put) => {
            let name = put.name.clone();
            let rules = put.rules()?;
            let view: RouteView = client.ask(Method::PUT, &["routes", &name]).body(&rules).send().await?;
            output::show_lines(cx.format, &view, |view| vec![format!("route {} is set", view.name)]);
        }
        What::List => {
            let page: Page<RouteView> = client.ask(Method::GET, &["routes"]).send().await?;
            output::show(cx.format, &page.items, |routes| table(routes));
        }
        What::Delete { name } => {
            client.ask(Method::DELETE, &["routes", &name]).send_unit().await?;
            output::remark(&format!("route {name} is deleted"));
        }
    }
    Ok(Exit::Done)
}

impl Put {
    fn rules(self) -> Result<RouteRules, CliError> {
        let read = |text: String| {
            text.parse::<HumanDuration>()
                .map_err(|error| CliError::new(Exit::Usage, error.code(), error.to_string(), error.hint()))
        };
        let timezone = self.timezone;
        Ok(RouteRules {
            matching: self.matching.read()?,
            channels: self.to,
            digest_from: self.digest_from,
            quiet: self.quiet.map(|window| Quiet { window, timezone }),
            escalate_after: self.escalate_after.map(read).transpose()?,
            escalate_to: self.escalate_to,
        })
    }
}

fn table(routes: &[RouteView]) -> Table {
    let mut table = Table::new(["NAME", "TO", "QUIET", "ESCALATES", "MATCHES"]);
    for route in routes {
        let rules = &route.rules;
        let quiet = rules.quiet.as_ref();
        let zone = |quiet: &Quiet| quiet.timezone.clone().unwrap_or_else(|| "UTC".to_owned());
        let quiet = quiet.map_or_else(|| "-".to_owned(), |quiet| format!("{} {}", quiet.window, zone(quiet)));
        let escalates = rules
            .escalate_after
            .map_or_else(|| "-".to_owned(), |after| format!("after {after} to {}", rules.escalate_to.join(", ")));
        table.row([route.name.clone(), rules.channels.join(", "), quiet, escalates, words(&rules.matching)]);
    }
    table
}
