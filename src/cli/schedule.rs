//! `keywheel schedule`.

pub(super) mod plan;

use axum::http::Method;

use super::{
    CliError, Cx, Exit, output,
    secret::{findings, show::time},
};
use crate::{
    engine::ops::{
        rotations::Wish,
        schedules::{ScheduleView, SetSchedule},
    },
    schedule::{FreezeText, MissedPolicy, ScheduleText},
};

/// Arguments of `keywheel schedule`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Says when a managed secret is rotated.
    #[command(after_help = "Examples:\n  keywheel schedule set billing/db --every 30d --window 'SAT,SUN 02:00-05:00' \
                            --timezone Europe/Berlin\n  keywheel schedule set billing/db --cron '0 3 * * SUN'")]
    Set(Box<Set>),
    /// Shows a schedule and what follows from it.
    #[command(after_help = "Example: keywheel schedule show billing/db")]
    Show {
        /// The secret's name.
        name: String,
    },
    /// Pauses a schedule.
    #[command(after_help = "Example: keywheel schedule pause billing/db --reason 'release week'")]
    Pause {
        /// The secret's name.
        name: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Lets a paused schedule go on.
    #[command(after_help = "Example: keywheel schedule resume billing/db")]
    Resume {
        /// The secret's name.
        name: String,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("rule").required(true).args(["every", "cron", "named", "at_lifetime", "manual"]))]
struct Set {
    /// The secret's name.
    name: String,
    /// An interval since the last publish, such as `30d`.
    #[arg(long, value_name = "DURATION")]
    every: Option<String>,
    /// A cron rule of five fields, such as `0 3 * * SUN`.
    #[arg(long, value_name = "RULE")]
    cron: Option<String>,
    /// The cron rule has a field of seconds before the others.
    #[arg(long, requires = "cron")]
    seconds: bool,
    /// `hourly`, `daily`, `weekly`, `monthly`, `quarterly` or `yearly`.
    #[arg(long, value_name = "NAME")]
    named: Option<String>,
    /// A share of the current value's lifetime, such as `2/3`.
    #[arg(long, value_name = "SHARE")]
    at_lifetime: Option<String>,
    /// Only when somebody asks.
    #[arg(long)]
    manual: bool,
    /// An IANA zone, such as `Europe/Berlin`; UTC if not given.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Days and hours in which rotations may start, such as `SAT,SUN 02:00-05:00`.
    #[arg(long, value_name = "WINDOW")]
    window: Option<String>,
    /// A period in which none starts, such as `2026-12-20..2027-01-06=end of the year`.
    #[arg(long, value_name = "FROM..UNTIL=REASON")]
    freeze: Vec<String>,
    /// How far a rotation may be moved later, such as `20m`.
    #[arg(long, value_name = "DURATION")]
    jitter: Option<String>,
    /// What happens to fires that passed: `run-once` or `skip`.
    #[arg(long, value_name = "POLICY", value_parser = ["run-once", "skip"], default_value = "run-once")]
    missed: String,
    /// A finding that is knowingly accepted.
    #[arg(long, value_name = "CODE")]
    acknowledge: Vec<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

pub(super) async fn run(cx: &Cx, args: Args) -> Result<Exit, CliError> {
    let client = cx.client()?;
    let view: ScheduleView = match args.what {
        What::Set(set) => {
            let name = set.name.clone();
            let ask = client.ask(Method::PUT, &["secrets", &name, "schedule"]);
            ask.body(&set.request()?).send().await?
        }
        What::Show { name } => client.ask(Method::GET, &["secrets", &name, "schedule"]).send().await?,
        What::Pause { name, reason } => {
            let ask = client.ask(Method::POST, &["secrets", &name, "schedule", "pause"]);
            ask.body(&Wish { reason }).send().await?
        }
        What::Resume { name, reason } => {
            let ask = client.ask(Method::POST, &["secrets", &name, "schedule", "resume"]);
            ask.body(&Wish { reason }).send().await?
        }
    };
    output::show_lines(cx.format, &view, lines);
    Ok(Exit::Done)
}

fn read_freeze(text: &str) -> Result<FreezeText, CliError> {
    let parts = text.split_once("..").and_then(|(from, rest)| Some((from, rest.split_once('=')?)));
    let (from, (until, reason)) = parts.ok_or_else(|| {
        let hint = "write `FROM..UNTIL=REASON`, such as `2026-12-20..2027-01-06=end of the year`";
        CliError::usage(format!("`{text}` is no freeze"), hint)
    })?;
    Ok(FreezeText { from: from.to_owned(), until: until.to_owned(), reason: reason.to_owned() })
}

impl Set {
    fn request(self) -> Result<SetSchedule, CliError> {
        let schedule = ScheduleText {
            every: self.every,
            cron: self.cron,
            seconds: self.seconds.then_some(true),
            name: self.named,
            at_lifetime: self.at_lifetime,
            manual: self.manual.then_some(true),
            timezone: self.timezone,
            window: self.window,
            freeze: self.freeze.iter().map(|text| read_freeze(text)).collect::<Result<_, _>>()?,
            jitter: self.jitter,
            missed: if self.missed == "skip" { MissedPolicy::Skip } else { MissedPolicy::RunOnce },
        };
        Ok(SetSchedule { schedule, acknowledge: self.acknowledge, reason: self.reason })
    }
}

/// The rule in one line.
fn rule(text: &ScheduleText) -> String {
    let rules = [
        text.every.as_ref().map(|every| format!("every {every}")),
        text.cron.as_ref().map(|cron| format!("cron {cron}")),
        text.name.clone(),
        text.at_lifetime.as_ref().map(|share| format!("at {share} of the lifetime")),
        text.manual.map(|_| "by hand only".to_owned()),
    ];
    rules.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn lines(view: &ScheduleView) -> Vec<String> {
    let text = &view.schedule;
    let mut lines = vec![
        format!("rule          {}", rule(text)),
        format!("timezone      {}", text.timezone.as_deref().unwrap_or("UTC")),
    ];
    lines.extend(text.window.as_ref().map(|window| format!("window        {window}")));
    lines.extend(text.freeze.iter().map(|f| format!("freeze        {} to {}: {}", f.from, f.until, f.reason)));
    lines.extend(text.jitter.as_ref().map(|jitter| format!("jitter        {jitter}")));
    lines.push(format!("next due      {}", time(view.next_due_at)));
    lines.extend(view.coming.iter().skip(1).map(|at| format!("then          {}", time(Some(*at)))));
    if let Some(at) = view.paused_at {
        lines.push(format!("paused        since {at}: {}", view.pause_reason));
    }
    lines.extend(findings::lines(&view.findings));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freeze_has_a_begin_an_end_and_a_reason() {
        let read = read_freeze("2026-12-20..2027-01-06=end of the year").expect("a freeze");
        assert_eq!((read.from.as_str(), read.until.as_str()), ("2026-12-20", "2027-01-06"));
        assert_eq!(read.reason, "end of the year");
        assert!(read_freeze("2026-12-20").is_err() && read_freeze("a..b").is_err());
    }
}
