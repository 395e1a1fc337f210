//! `keywheel target`.

use axum::http::Method;
use serde_json::Value;

use super::{CliError, Cx, Exit, input, output, secret::settings, table::Table};
use crate::{
    engine::ops::{
        targets::{PutTarget, TargetPut, TargetView},
        wire::Password,
    },
    http::Page,
};

/// Arguments of `keywheel target`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Creates a target, or changes the one of that name.
    #[command(after_help = "Example: keywheel target put pg-main --rotator postgres --set host=db.example.com \
                            --admin pg-main/admin")]
    Put(Put),
    /// Lists the targets.
    #[command(after_help = "Example: keywheel target list --output json")]
    List,
    /// Shows a target.
    #[command(after_help = "Example: keywheel target show pg-main")]
    Show {
        /// Its name.
        name: String,
    },
    /// Deletes a target that no secret uses.
    #[command(after_help = "Example: keywheel target delete pg-old --reason 'moved to pg-main'")]
    Delete {
        /// Its name.
        name: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
struct Put {
    /// Its name.
    name: String,
    /// The rotator's kind, such as `postgres`.
    #[arg(long, value_name = "KIND")]
    rotator: String,
    /// A setting of the rotator, such as `host=db.example.com`; `@FILE` for a file's text.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The secret that holds the admin credential.
    #[arg(long, value_name = "SECRET")]
    admin: Option<String>,
    /// How many rotations may work on it at a time.
    #[arg(long, value_name = "N")]
    parallel: Option<i64>,
    /// A promise that is knowingly given up, such as `no-tls`.
    #[arg(long, value_name = "CODE")]
    acknowledge: Vec<String>,
    /// The admin's present password, needed when address, TLS or admin change: `-` or `@FILE`.
    #[arg(long, value_name = "SOURCE")]
    admin_password: Option<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.what {
        What::Put(put) => {
            let (name, request) = (put.name.clone(), put.request()?);
            let put: TargetPut = client.ask(Method::PUT, &["targets", &name]).body(&request).send().await?;
            output::show_lines(cx.format, &put, |put| {
                let done = if put.is_new { "is made" } else { "is changed" };
                vec![format!("target {} {done}", put.target.name)]
            });
        }
        What::List => {
            let page: Page<TargetView> = client.ask(Method::GET, &["targets"]).send().await?;
            output::show(cx.format, &page.items, |targets| table(targets));
        }
        What::Show { name } => {
            let target: TargetView = client.ask(Method::GET, &["targets", &name]).send().await?;
            let needs_a_look = breaker(&target) == "open";
            output::show_lines(cx.format, &target, lines);
            return Ok(if needs_a_look { Exit::NeedsAttention } else { Exit::Done });
        }
        What::Delete { name, reason } => {
            client.ask(Method::DELETE, &["targets", &name]).query("reason", reason).send_unit().await?;
            output::remark(&format!("target {name} is deleted"));
        }
    }
    Ok(Exit::Done)
}

impl Put {
    fn request(self) -> Result<PutTarget, CliError> {
        let read = |source: String| input::value(Some(&source), "admin's password").map(Password);
        Ok(PutTarget {
            rotator: self.rotator,
            settings: Value::Object(settings::read(&self.set)?),
            admin: self.admin,
            parallel: self.parallel,
            acknowledge: self.acknowledge,
            admin_password: self.admin_password.map(read).transpose()?,
            reason: self.reason,
        })
    }
}

fn breaker(target: &TargetView) -> &str {
    target.breaker["state"].as_str().unwrap_or("closed")
}

fn table(targets: &[TargetView]) -> Table {
    let mut table = Table::new(["NAME", "ROTATOR", "ADMIN", "SECRETS", "PARALLEL", "BREAKER", "SETTINGS"]);
    for target in targets {
        table.row([
            target.name.clone(),
            target.rotator.clone(),
            target.admin.clone().unwrap_or_else(|| "-".to_owned()),
            target.secrets.to_string(),
            target.parallel.to_string(),
            breaker(target).to_owned(),
            target.settings.to_string(),
        ]);
    }
    table
}

fn lines(target: &TargetView) -> Vec<String> {
    let mut lines = vec![
        format!("name          {}", target.name),
        format!("id            {}", target.id),
        format!("rotator       {}", target.rotator),
        format!("settings      {}", target.settings),
        format!("admin         {}", target.admin.as_deref().unwrap_or("-")),
        format!("parallel      {}", target.parallel),
        format!("secrets       {}", target.secrets),
        format!("breaker       {}", breaker(target)),
    ];
    if let Some(because) = target.breaker["because"].as_str() {
        lines.push(format!("  {because}"));
    }
    for given in &target.acknowledged {
        lines.push(format!("acknowledged  {} by {} at {}", given.code, given.actor, given.at));
    }
    lines.push(format!("made          {} by {}", target.created_at, target.created_by));
    lines
}
