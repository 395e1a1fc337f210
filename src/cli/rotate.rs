//! `keywheel rotate`.

pub(super) mod wait;

use axum::http::Method;

use super::{CliError, Client, Cx, Exit, output, secret::findings, table::Table};
use crate::engine::ops::rotate::{DryRun, Outcome, RequestRotation, Requested, RotationsRequested};

/// Arguments of `keywheel rotate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  keywheel rotate billing/db --wait --reason 'key holder left'\n  keywheel rotate \
                        --tag team=payments --dry-run")]
pub struct Args {
    /// The names of secrets.
    #[arg(required_unless_present = "tag")]
    names: Vec<String>,
    /// All managed secrets that carry this label.
    #[arg(long, value_name = "KEY[=VALUE]")]
    tag: Option<String>,
    /// Shows what would happen, and changes nothing.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Waits until the rotations have ended, and shows how they go.
    #[arg(long)]
    wait: bool,
    /// How many seconds to wait at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "wait")]
    timeout: u64,
    /// A finding that is knowingly accepted, such as `cuts-overlap`.
    #[arg(long, value_name = "CODE")]
    acknowledge: Vec<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    if args.dry_run {
        return dry_run(cx, &client, args).await;
    }
    let request =
        RequestRotation { names: args.names, tag: args.tag, acknowledge: args.acknowledge, reason: args.reason };
    let asked: RotationsRequested = client.ask(Method::POST, &["rotate"]).body(&request).send().await?;
    let is_refused = asked.requested.iter().any(|one| one.outcome == Outcome::Refused);
    if args.wait {
        let exit = wait::wait(cx, &client, &asked.requested, args.timeout).await?;
        return Ok(if is_refused && exit == Exit::Done { Exit::Failed } else { exit });
    }
    output::show(cx.format, &asked, |asked| table(&asked.requested));
    Ok(if is_refused { Exit::Failed } else { Exit::Done })
}

fn table(requested: &[Requested]) -> Table {
    let mut table = Table::new(["SECRET", "OUTCOME", "OCCURRENCE", "ROTATION", "WHY"]);
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for one in requested {
        let outcome = match one.outcome {
            Outcome::Requested => "requested",
            Outcome::Joined => "joined",
            Outcome::Waits => "waits",
            Outcome::Refused => "refused",
        };
        let why = one.refusal.as_ref().map(|refusal| format!("{} [{}]", refusal.sentence, refusal.code));
        table.row([
            one.name.clone(),
            outcome.to_owned(),
            dash(&one.occurrence),
            dash(&one.rotation),
            why.unwrap_or_default(),
        ]);
    }
    table
}

async fn dry_run(cx: &Cx, client: &Client, args: Args) -> Result<Exit, CliError> {
    let mut names = args.names;
    if let Some(tag) = &args.tag {
        names.extend(tagged(client, tag).await?);
    }
    let mut runs = Vec::with_capacity(names.len());
    for name in &names {
        let run: DryRun = client.ask(Method::GET, &["secrets", name, "preflight"]).send().await?;
        runs.push(run);
    }
    let is_clear = runs.iter().all(|run| run.is_clear);
    output::show_lines(cx.format, &runs, |runs| runs.iter().flat_map(lines).collect());
    Ok(if is_clear { Exit::Done } else { Exit::NeedsAttention })
}

async fn tagged(client: &Client, tag: &str) -> Result<Vec<String>, CliError> {
    let ask = client.ask(Method::GET, &["secrets"]).query("tag", tag).query("managed", true).query("limit", 1000);
    let page: crate::engine::ops::secret_read::SecretPage = ask.send().await?;
    Ok(page.secrets.into_iter().map(|line| line.name).collect())
}

fn lines(run: &DryRun) -> Vec<String> {
    use keywheel_contract::CheckOutcome;
    let mut lines = vec![format!("{} at {}", run.name, run.target)];
    for check in &run.checks {
        let outcome = match check.outcome {
            CheckOutcome::Passed => "passed",
            CheckOutcome::Failed => "FAILED",
            CheckOutcome::Skipped => "skipped",
        };
        lines.push(format!("  {outcome:7} {}: {}", check.name, check.detail));
    }
    if !run.changes.is_empty() {
        lines.push("  would change".to_owned());
        lines.extend(run.changes.iter().map(|change| format!("    {change}")));
    }
    lines.extend(findings::lines(&run.findings).into_iter().map(|line| format!("  {line}")));
    for reader in &run.readers {
        lines.push(format!("  read by {} at {}, version {}", reader.reader, reader.at, reader.version));
    }
    if run.readers.is_empty() {
        lines.push("  nobody read it in the last 30 days".to_owned());
    }
    for alert in &run.alerts {
        lines.push(format!("  alert {}: {}", alert.kind, alert.sentence));
    }
    lines.push(format!("  {}", run.next));
    lines
}
