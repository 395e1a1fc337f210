//! `keywheel rotation`.

use axum::http::Method;

use super::{
    CliError, Client, Cx, Exit, output,
    secret::show::{indented, time},
    table::Table,
};
use crate::{
    engine::ops::{
        resolve::{ResolveRotation, Resolved},
        rotations::{Granted, RotationView, Wish},
        views::RotationLine,
    },
    http::Page,
};

/// Arguments of `keywheel rotation`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lists rotations, newest first.
    #[command(after_help = "Example: keywheel rotation list --open")]
    List {
        /// Those of this secret alone.
        #[arg(long, value_name = "NAME")]
        secret: Option<String>,
        /// Those alone that have not ended.
        #[arg(long)]
        open: bool,
        /// Only those before this one.
        #[arg(long, value_name = "ROTATION")]
        before: Option<String>,
        /// Rotations at most.
        #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
        limit: u16,
    },
    /// Shows a rotation: where it stands, its candidates, its journal.
    #[command(after_help = "Example: keywheel rotation show rot_01…")]
    Show {
        /// Its id.
        rotation: String,
    },
    /// Looks again now at what is stuck or waits.
    #[command(after_help = "Example: keywheel rotation retry rot_01…")]
    Retry {
        /// Its id.
        rotation: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Goes back to the value before.
    #[command(after_help = "Example: keywheel rotation rollback rot_01… --reason 'the application cannot log in'")]
    Rollback {
        /// Its id.
        rotation: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Decides a stuck rotation: which stored value is the one that the target accepts.
    #[command(after_help = "Example: keywheel rotation resolve rot_01… --keep candidate")]
    Resolve {
        /// Its id.
        rotation: String,
        /// `candidate`, `current`, a version's number or id, or `-` for none of them.
        #[arg(long, value_name = "CHOICE", allow_hyphen_values = true)]
        keep: String,
        /// Takes the choice on your word, without a login; needs a reason.
        #[arg(long, requires = "reason")]
        unverified: bool,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    match args.what {
        What::List { secret, open, before, limit } => {
            let ask = client.ask(Method::GET, &["rotations"]).query("open", open).query("limit", limit.max(1));
            let ask = ask.maybe_query("secret", secret).maybe_query("before", before);
            let page: Page<RotationLine> = ask.send().await?;
            let is_stuck = page.items.iter().any(|line| line.status == "stuck");
            output::show(cx.format, &page.items, |lines| table(lines));
            Ok(if is_stuck { Exit::NeedsAttention } else { Exit::Done })
        }
        What::Show { rotation } => {
            let view: RotationView = client.ask(Method::GET, &["rotations", &rotation]).send().await?;
            let is_stuck = view.line.status == "stuck";
            output::show_lines(cx.format, &view, lines);
            Ok(if is_stuck { Exit::NeedsAttention } else { Exit::Done })
        }
        What::Retry { rotation, reason } => wish(cx, &client, &rotation, "retry", reason).await,
        What::Rollback { rotation, reason } => wish(cx, &client, &rotation, "rollback", reason).await,
        What::Resolve { rotation, keep, unverified, reason } => {
            let request = ResolveRotation { keep, unverified, reason };
            let ask = client.ask(Method::POST, &["rotations", &rotation, "resolve"]);
            let resolved: Resolved = ask.body(&request).send().await?;
            output::show_lines(cx.format, &resolved, resolution);
            Ok(Exit::Done)
        }
    }
}

async fn wish(cx: &Cx, client: &Client, rotation: &str, what: &str, reason: String) -> Result<Exit, CliError> {
    let ask = client.ask(Method::POST, &["rotations", rotation, what]);
    let granted: Granted = ask.body(&Wish { reason }).send().await?;
    output::show_lines(cx.format, &granted, |granted| {
        let request = granted.occurrence.as_ref().map(|occurrence| format!("  request {occurrence}"));
        std::iter::once(format!("{}: {}", granted.rotation, granted.sentence)).chain(request).collect()
    });
    Ok(Exit::Done)
}

fn resolution(resolved: &Resolved) -> Vec<String> {
    let proof = if resolved.is_verified { "seen to log in" } else { "unverified" };
    vec![match &resolved.kept {
        Some(kept) => {
            let number = kept.number.map_or_else(|| kept.id.clone(), |number| number.to_string());
            format!("{}: version {number} of {} is current, {proof}", resolved.rotation, resolved.secret)
        }
        None => format!("{}: none of the stored values of {} is kept as proven", resolved.rotation, resolved.secret),
    }]
}

fn table(lines: &[RotationLine]) -> Table {
    let mut table = Table::new(["ROTATION", "SECRET", "STATUS", "STARTED", "ENDED", "DETAIL"]);
    for line in lines {
        table.row([
            line.id.clone(),
            line.secret.clone(),
            line.status.clone(),
            time(Some(line.started_at)),
            time(line.ended_at),
            line.detail.clone(),
        ]);
    }
    table
}

fn lines(view: &RotationView) -> Vec<String> {
    let mut lines = vec![
        format!("rotation      {}", view.line.id),
        format!("secret        {}", view.line.secret),
        format!("status        {}", view.line.status),
        format!("next          {}", view.next),
        format!("started       {}", time(Some(view.line.started_at))),
        format!("ended         {}", time(view.line.ended_at)),
        format!("attempts      {} to apply, {} to put back", view.attempts, view.reverts),
    ];
    if let Some(failure) = &view.failure {
        lines.push(format!("because       {} [{}]", failure.sentence, failure.code));
        lines.push(format!("  hint: {}", failure.hint));
    }
    if let Some(before) = &view.before {
        let number = before.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        lines.push(format!("before        version {number} {} ({})", before.id, before.stage));
    }
    for candidate in &view.candidates {
        lines.push(format!("candidate     {} {} ({})", candidate.id, candidate.identity, candidate.stage));
    }
    for occurrence in &view.occurrences {
        lines.push(format!(
            "works for     {} {} by {}: {}",
            occurrence.origin, occurrence.id, occurrence.actor, occurrence.state
        ));
    }
    let mut timeline = Table::new(["TIME", "EVENT", "ACTOR", "FACTS"]);
    for event in &view.timeline {
        let facts = event.facts.get("facts").unwrap_or(&event.facts);
        let is_empty = facts.as_object().is_some_and(serde_json::Map::is_empty);
        let facts = if is_empty { String::new() } else { facts.to_string() };
        table_row(&mut timeline, event.at.0, &event.kind, &event.actor, facts);
    }
    lines.push("journal".to_owned());
    lines.extend(indented(&timeline));
    lines
}

fn table_row(table: &mut Table, at: chrono::DateTime<chrono::Utc>, kind: &str, actor: &str, facts: String) {
    let at = at.format("%Y-%m-%d %H:%M:%S%.3fZ").to_string();
    table.row([at, kind.trim_start_matches("rotation.").to_owned(), actor.to_owned(), facts]);
}
