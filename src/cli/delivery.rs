//! `keywheel delivery`.

use axum::http::Method;

use super::{CliError, Cx, Exit, input, output, secret::show};
use crate::{
    engine::{
        FileSettings,
        ops::{deliveries::PutDelivery, views::DeliveryView},
    },
    http::Page,
};

/// Arguments of `keywheel delivery`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Has a secret's value written to a file after each publish.
    #[command(after_help = "Example: keywheel delivery put billing/db app-env --root apps --path billing/db.env \
                            --template 'PASSWORD={{ secret.password | sh }}' --mode 0640 --group billing --hook reload")]
    Put(Put),
    /// Lists the deliveries of a secret, and how far they are.
    #[command(after_help = "Example: keywheel delivery list billing/db")]
    List {
        /// The secret's name.
        secret: String,
    },
    /// Takes a delivery away; what it has written stays.
    #[command(after_help = "Example: keywheel delivery delete billing/db app-env")]
    Delete {
        /// The secret's name.
        secret: String,
        /// The delivery's name.
        name: String,
        /// A promise that is knowingly given up: `no-delivery`.
        #[arg(long, value_name = "CODE")]
        acknowledge: Vec<String>,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
struct Put {
    /// The secret's name.
    secret: String,
    /// The delivery's name.
    name: String,
    /// The name of a delivery root of the configuration file.
    #[arg(long, value_name = "ROOT")]
    root: String,
    /// The file, relative to the root.
    #[arg(long, value_name = "PATH")]
    path: String,
    /// What is written: a template, or `@FILE` that holds one.
    #[arg(long, value_name = "TEMPLATE")]
    template: String,
    /// The file's mode in octal digits.
    #[arg(long, value_name = "MODE", default_value = "0600")]
    mode: String,
    /// The user who owns the file; the daemon's own if not given.
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// The file's group.
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// The name of a hook of the configuration file, run after the file is replaced.
    #[arg(long, value_name = "HOOK")]
    hook: Option<String>,
    /// A finding that is knowingly accepted: `world-readable`.
    #[arg(long, value_name = "CODE")]
    acknowledge: Vec<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.what {
        What::Put(put) => {
            let (secret, name) = (put.secret.clone(), put.name.clone());
            let ask = client.ask(Method::PUT, &["secrets", &secret, "deliveries", &name]);
            let put: DeliveryView = ask.body(&put.request()?).send().await?;
            output::show_lines(cx.format, &put, |put| {
                vec![format!("delivery {} of {secret} is set; the current version is written at once", put.name)]
            });
        }
        What::List { secret } => {
            let ask = client.ask(Method::GET, &["secrets", &secret, "deliveries"]);
            let page: Page<DeliveryView> = ask.send().await?;
            let is_behind = page.items.iter().any(|delivery| !delivery.is_delivered && delivery.attempts > 0);
            output::show(cx.format, &page.items, |found| show::deliveries(found));
            return Ok(if is_behind { Exit::NeedsAttention } else { Exit::Done });
        }
        What::Delete { secret, name, acknowledge, reason } => {
            let ask = client.ask(Method::DELETE, &["secrets", &secret, "deliveries", &name]);
            ask.query("acknowledge", acknowledge.join(",")).query("reason", reason).send_unit().await?;
            output::remark(&format!("delivery {name} of {secret} is deleted"));
        }
    }
    Ok(Exit::Done)
}

impl Put {
    fn request(self) -> Result<PutDelivery, CliError> {
        let template = if self.template.starts_with('@') { input::document(&self.template)? } else { self.template };
        let files = FileSettings {
            root: self.root,
            path: self.path,
            template,
            mode: self.mode,
            owner: self.owner,
            group: self.group,
            hook: self.hook,
        };
        Ok(PutDelivery { files, acknowledge: self.acknowledge, reason: self.reason })
    }
}
