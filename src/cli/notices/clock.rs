//! `keywheel clock`.

use axum::http::Method;

use crate::{
    cli::{CliError, Cx, Exit, output},
    engine::ops::{clock::ClockConfirmed, rotations::Wish},
};

/// Arguments of `keywheel clock`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Says that the clock is right after it was set forward: what waited because of it goes on.
    #[command(after_help = "Example: keywheel clock confirm --reason 'the machine was asleep'")]
    Confirm {
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let What::Confirm { reason } = args.what;
    let client = cx.client()?;
    let confirmed: ClockConfirmed =
        client.ask(Method::POST, &["clock", "confirm"]).body(&Wish { reason }).send().await?;
    output::show_lines(cx.format, &confirmed, |confirmed| {
        let held = match confirmed.held_since {
            Some(since) => format!("what was held since {since} goes on"),
            None => "nothing was held because of it".to_owned(),
        };
        vec![format!("the clock is believed, at {}: {held}", confirmed.now)]
    });
    Ok(Exit::Done)
}
