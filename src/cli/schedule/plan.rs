//! `keywheel plan`.

use axum::http::Method;

use crate::{
    cli::{CliError, Cx, Exit, output, secret::show::time, table::Table},
    engine::ops::plan::Plan,
};

/// Arguments of `keywheel plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: keywheel plan --days 90 --prefix billing/")]
pub struct Args {
    /// How many days ahead, 1 to 3660.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// What the names of secrets begin with.
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
}

pub(in crate::cli) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let ask = client.ask(Method::GET, &["plan"]).query("days", args.days).query("prefix", args.prefix);
    let plan: Plan = ask.send().await?;
    let is_well = plan.collisions.is_empty() && plan.without_slot.is_empty();
    output::show_lines(cx.format, &plan, lines);
    Ok(if is_well { Exit::Done } else { Exit::NeedsAttention })
}

fn lines(plan: &Plan) -> Vec<String> {
    let mut table = Table::new(["TIME", "SECRET", "TARGET", "BECAUSE"]);
    for fire in &plan.fires {
        table.row([time(Some(fire.at)), fire.secret.clone(), fire.target.clone(), fire.because.clone()]);
    }
    let mut lines: Vec<String> = table.render(None).lines().map(str::to_owned).collect();
    for collision in &plan.collisions {
        lines.push(format!(
            "collision     {}: {} rotations at {}, which does {} at a time: {}",
            time(Some(collision.at)),
            collision.fires,
            collision.target,
            collision.parallel,
            collision.secrets.join(", "),
        ));
    }
    for fire in &plan.without_slot {
        lines.push(format!("no slot       {} must rotate at {} outside its window", fire.secret, time(Some(fire.at))));
    }
    for (what, names) in [("unscheduled", &plan.unscheduled), ("paused", &plan.paused)] {
        if !names.is_empty() {
            lines.push(format!("{what:13} {}", names.join(", ")));
        }
    }
    if plan.is_cut {
        lines.push("there is more: ask for fewer days, or a prefix".to_owned());
    }
    lines
}
