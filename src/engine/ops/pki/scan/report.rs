//! What a scan is asked for, and what it answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    engine::ops::wire::Moment,
    pki::{Line, Obstacle, Seen, Standing},
};

/// Where to look for certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScanCertificates {
    /// Scan roots of the configuration file, by name; all of them if none is given.
    pub roots: Vec<String>,
    /// Endpoints: `HOST:PORT`, with `;starttls=smtp` or `;name=shop.example.org` where that is needed.
    pub endpoints: Vec<String>,
    /// Whether the scan is not kept and repeated.
    pub once: bool,
    /// The name under which it is kept; its roots if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why.
    pub reason: String,
}

/// A certificate that was found, or missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundCertificate {
    /// Where: `ROOT/PATH`, or the endpoint.
    pub place: String,
    /// The secret that tracks it.
    pub tracked: Option<String>,
    /// How it stands: `new`, `same`, `renewed`, `ours`, `superseded`, `forgotten`, `vanished`, `unsure`.
    pub standing: String,
    /// What needs a look: `ended`, `differs`, `needs a password`, `chain-incomplete`, …
    pub problems: Vec<String>,
    /// Its subject.
    pub subject: Option<String>,
    /// The names that it is for.
    pub names: Vec<String>,
    /// Its issuer.
    pub issuer: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The kind of its key.
    pub key: Option<String>,
    /// When its life ends.
    pub not_after: Option<Moment>,
}

/// What a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScanReport {
    /// The name under which the scan is kept and repeated daily.
    pub kept: Option<String>,
    /// The certificates, by place.
    pub certificates: Vec<FoundCertificate>,
    /// What could not be looked at.
    pub remarks: Vec<String>,
}

/// A scan that is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptScan {
    /// Its name.
    pub name: String,
    /// Its roots; all of the configuration if there is none.
    pub roots: Vec<String>,
    /// Its endpoints.
    pub endpoints: Vec<String>,
    /// When it ran last.
    pub last_at: Moment,
    /// When it runs next.
    pub next_at: Moment,
    /// How many certificates the last run found.
    pub found: usize,
    /// How many of them need a look.
    pub wrong: usize,
}

impl FoundCertificate {
    /// A line about a place.
    pub(super) fn of(place: String, standing: Standing, seen: Option<&Seen>, problems: Vec<String>) -> Self {
        Self {
            place,
            tracked: None,
            standing: standing.word().to_owned(),
            problems,
            subject: seen.map(|seen| seen.subject.clone()),
            names: seen.map(|seen| seen.names.clone()).unwrap_or_default(),
            issuer: seen.map(|seen| seen.issuer.clone()),
            serial: seen.map(|seen| seen.serial.clone()),
            key: seen.map(|seen| seen.key.clone()),
            not_after: seen.map(|seen| Moment(seen.not_after)),
        }
    }

    /// A line about a file, with what is wrong now.
    pub(super) fn of_line(root: &str, line: &Line, now: chrono::DateTime<chrono::Utc>) -> Self {
        let number = if line.slot > 1 { format!("#{}", line.slot) } else { String::new() };
        let problems = problems(line.seen.as_ref(), line.obstacle.as_ref(), now);
        Self::of(format!("{root}/{}{number}", line.path), line.standing, line.seen.as_ref(), problems)
    }

    /// Whether a person should look.
    pub fn needs_a_look(&self) -> bool {
        self.standing == Standing::Vanished.word() || self.problems.iter().any(|one| one == "differs" || one == "ended")
    }
}

/// What is wrong now: with time, a certificate ends without any change.
pub(super) fn problems(
    seen: Option<&Seen>,
    obstacle: Option<&Obstacle>,
    now: chrono::DateTime<chrono::Utc>,
) -> Vec<String> {
    let mut all: Vec<String> = obstacle.iter().map(|obstacle| obstacle.word().to_owned()).collect();
    let Some(seen) = seen else { return all };
    if seen.not_after <= now {
        all.push("ended".to_owned());
    }
    if seen.not_before > now {
        all.push("not-yet-valid".to_owned());
    }
    all.extend(seen.problems.iter().cloned());
    all
}
