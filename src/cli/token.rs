//! `keywheel token`.

use axum::http::Method;

use super::{CliError, Client, Cx, Exit, Format, output, table::Table};
use crate::{
    engine::ops::{
        access::tokens::{CreateToken, TokenMade, TokenView},
        wire::Moment,
    },
    http::Page,
};

/// Arguments of `keywheel token`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Makes a token and prints it: standard output has it this one time, and nothing else.
    #[command(
        after_help = "Examples:\n  keywheel token create --read 'billing/*' --ttl 90d --name billing > token\n  \
                            keywheel token create --read web/db --read 'web/certificates/*'"
    )]
    Create(Create),
    /// Lists the tokens, without their texts.
    #[command(after_help = "Example: keywheel token list --output json")]
    List,
    /// Shows a token, without its text.
    #[command(after_help = "Example: keywheel token show tok_01h…")]
    Show {
        /// Its id.
        id: String,
    },
    /// Revokes a token for good, from the next request on.
    #[command(after_help = "Example: keywheel token revoke tok_01h… --reason 'it stood in a log'")]
    Revoke {
        /// Its id.
        id: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// What it may read: a name, all below a name as in `billing/*`, or `*`.
    #[arg(long, value_name = "PATTERN", num_args = 1.., required = true)]
    read: Vec<String>,
    /// How long it lives, at most `400d`.
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    ttl: String,
    /// What people call it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.what {
        What::Create(create) => {
            let request =
                CreateToken { read: create.read, ttl: Some(create.ttl), name: create.name, reason: create.reason };
            let made: TokenMade = client.ask(Method::POST, &["tokens"]).body(&request).send().await?;
            tell_made(cx.format, &made);
        }
        What::List => {
            let tokens = list(&client).await?;
            output::show(cx.format, &tokens, |tokens| table(tokens));
        }
        What::Show { id } => {
            let view: TokenView = client.ask(Method::GET, &["tokens", &id]).send().await?;
            output::show_lines(cx.format, &view, lines);
        }
        What::Revoke { id, reason } => {
            let view: TokenView = client.ask(Method::DELETE, &["tokens", &id]).query("reason", reason).send().await?;
            output::show_lines(cx.format, &view, |view| vec![format!("token {} is revoked", view.id)]);
        }
    }
    Ok(Exit::Done)
}

/// The token alone on standard output; what people want to know of it beside.
fn tell_made(format: Format, made: &TokenMade) {
    match format {
        Format::Json => output::json(made),
        Format::Table => {
            output::text(&format!("{}\n", made.token.0.expose()));
            let (id, read) = (&made.about.id, made.about.read.join(", "));
            output::remark(&format!("token {id} reads {read} until {}", time(Some(made.about.expires_at))));
            output::remark("keep it now: it is shown this one time");
        }
    }
}

async fn list(client: &Client) -> Result<Vec<TokenView>, CliError> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let asked = client.ask(Method::GET, &["tokens"]).query("limit", 1000).maybe_query("after", after.as_ref());
        let page: Page<TokenView> = asked.send().await?;
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

fn time(at: Option<Moment>) -> String {
    output::time(at.map(|at| at.0))
}

fn table(tokens: &[TokenView]) -> Table {
    let mut table = Table::new(["ID", "NAME", "STATE", "EXPIRES", "LAST USED", "READS"]);
    for token in tokens {
        let name = if token.name.is_empty() { "-" } else { &token.name };
        table.row([
            token.id.clone(),
            name.to_owned(),
            token.state.clone(),
            time(Some(token.expires_at)),
            time(token.last_used_at),
            token.read.join(", "),
        ]);
    }
    table
}

fn lines(token: &TokenView) -> Vec<String> {
    vec![
        format!("id            {}", token.id),
        format!("name          {}", token.name),
        format!("reads         {}", token.read.join(", ")),
        format!("state         {}", token.state),
        format!("made          {} by {}", time(Some(token.created_at)), token.created_by),
        format!("expires       {}", time(Some(token.expires_at))),
        format!("revoked       {}", time(token.revoked_at)),
        format!("last used     {}", time(token.last_used_at)),
    ]
}
