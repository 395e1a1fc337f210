//! `keywheel doctor`: its findings, each with what it means and how to mend it.

use axum::http::Method;
use serde::Serialize;

use super::{CliError, Client, Cx, Exit, output};
use crate::engine::ops::status::Status;

/// Arguments of `keywheel doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// As it should be.
    Well,
    /// Worth a look.
    Attention,
    /// Broken.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// What was looked at.
    pub what: String,
    /// How it is.
    pub health: Health,
    /// What was found, and what that means.
    pub finding: String,
    /// How to mend it; empty where nothing is to be done.
    pub mend: String,
}

impl Diagnosis {
    /// All is well.
    pub fn well(what: &str, finding: impl Into<String>) -> Self {
        Self { what: what.to_owned(), health: Health::Well, finding: finding.into(), mend: String::new() }
    }

    /// Something is worth a look.
    pub fn attention(what: &str, finding: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.to_owned(), health: Health::Attention, finding: finding.into(), mend: mend.into() }
    }

    /// Something is broken, by an error.
    pub fn broken(what: &str, error: &CliError) -> Self {
        let mut finding = error.sentence.clone();
        for cause in &error.causes {
            finding.push_str(": ");
            finding.push_str(cause);
        }
        Self { what: what.to_owned(), health: Health::Broken, finding, mend: error.hint.clone() }
    }
}

/// Asks the daemon, if one runs, what only it knows; nothing if none can be reached.
pub async fn ask_daemon(cx: &Cx) -> Option<Vec<Diagnosis>> {
    let client = cx.client().ok()?;
    match client.ask(Method::GET, &["status"]).send::<Status>().await {
        Err(error) if error.code == "daemon-unreachable" => None,
        Err(error) => Some(vec![Diagnosis::broken("daemon", &error)]),
        Ok(status) => Some(of_status(&client, &status).await),
    }
}

async fn of_status(client: &Client, status: &Status) -> Vec<Diagnosis> {
    let mut found = vec![Diagnosis::well("daemon", format!("keywheel {} serves", status.version))];
    if status.version != env!("CARGO_PKG_VERSION") {
        let finding = format!("the daemon is {}, this command is {}", status.version, env!("CARGO_PKG_VERSION"));
        found.push(Diagnosis::attention("release", finding, "restart the daemon"));
    }
    if status.short_of_room {
        let finding = "the store's disk is full: what runs may end, no new rotation starts";
        found.push(Diagnosis::attention("room", finding, "free space on the disk of the data directory"));
    }
    for alert in &status.alerts {
        let finding = format!("{} since {}: {}", alert.kind, output::time(Some(alert.opened_at)), alert.sentence);
        found.push(Diagnosis::attention(&alert.subject, finding, alert.hint.clone()));
    }
    found.extend(targets(client).await);
    found
}

/// Tries each target by a preflight that changes nothing.
async fn targets(client: &Client) -> Vec<Diagnosis> {
    let listed = client.ask(Method::GET, &["targets"]).query("limit", 1000).send::<serde_json::Value>().await;
    let Ok(listed) = listed else { return Vec::new() };
    let names = listed["items"].as_array().into_iter().flatten().filter_map(|target| target["name"].as_str());
    let mut found = Vec::new();
    for name in names {
        let what = format!("target {name}");
        let tried = client.ask(Method::POST, &["targets", name, "preflight"]).send::<serde_json::Value>().await;
        found.push(match tried {
            Ok(_) => Diagnosis::well(&what, "it answers, and permits what is needed"),
            Err(error) if error.code == "no-such-path" => return Vec::new(),
            Err(error) => Diagnosis::broken(&what, &error),
        });
    }
    found
}

/// Tells the findings; the exit code says whether a person must look.
pub fn tell(cx: &Cx, found: &[Diagnosis]) -> Exit {
    output::show_lines(cx.format, &found, |found| {
        let mut lines = Vec::new();
        for one in *found {
            let mark = match one.health {
                Health::Well => "well     ",
                Health::Attention => "attention",
                Health::Broken => "broken   ",
            };
            lines.push(format!("{mark}  {}: {}", one.what, one.finding));
            if !one.mend.is_empty() {
                lines.push(format!("           mend: {}", one.mend));
            }
        }
        lines
    });
    if found.iter().any(|one| one.health == Health::Broken) {
        Exit::Failed
    } else if found.iter().any(|one| one.health == Health::Attention) {
        Exit::NeedsAttention
    } else {
        Exit::Done
    }
}
