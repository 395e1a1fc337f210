//! Options that say something about a secret, shared by `secret put`, `secret edit` and `adopt`.

use crate::{
    cli::{CliError, Exit, secret::settings},
    engine::ops::secrets,
    expiry::{LadderText, Mode},
};

/// What is said about a secret.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct About {
    /// Who answers for it.
    #[arg(long, value_name = "TEXT")]
    owner: Option<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A label; `key=` takes it off.
    #[arg(long, value_name = "KEY=VALUE")]
    tag: Vec<String>,
    /// When the current value expires, such as `2027-01-31` or `2027-01-31T12:00:00Z`; `-` for never.
    #[arg(long, visible_alias = "expires", value_name = "TIME", allow_hyphen_values = true)]
    expires_at: Option<String>,
    /// The life of each version, such as `90d`; `-` for no such rule.
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    lasts: Option<String>,
    /// When to warn before an expiry, such as `60d,30d,7d`.
    #[arg(long, value_name = "DURATIONS", value_delimiter = ',')]
    rungs: Vec<String>,
    /// How the ladder is meant: `fixed` or `scaled`.
    #[arg(long, value_name = "MODE")]
    ladder: Option<String>,
    /// What an expiry does to reads: `warn`, `deactivate`, `deactivate after 2h`; `-` for the usual.
    #[arg(long, value_name = "ACTION", allow_hyphen_values = true)]
    on_expiry: Option<String>,
    /// How long it can be brought back after a deletion, such as `30d`.
    #[arg(long, value_name = "DURATION")]
    recovery: Option<String>,
    /// How long the previous version stays valid after a publish, such as `1h`; `0s` for not at all.
    #[arg(long, value_name = "DURATION")]
    overlap: Option<String>,
}

impl About {
    /// The part of a request.
    pub(in crate::cli) fn read(self) -> Result<secrets::About, CliError> {
        let or_nothing = |text: String| if text == "-" { String::new() } else { text };
        Ok(secrets::About {
            ladder: ladder(self.ladder.as_deref(), self.rungs)?,
            lasts: self.lasts.map(or_nothing),
            on_expiry: self.on_expiry.map(or_nothing),
            owner: self.owner,
            description: self.description,
            tags: settings::tags(&self.tag)?,
            expires_at: self.expires_at.map(or_nothing),
            recovery: self.recovery,
            overlap: self.overlap,
        })
    }
}

/// The ladder that options describe; none where they say nothing.
fn ladder(mode: Option<&str>, rungs: Vec<String>) -> Result<Option<LadderText>, CliError> {
    if mode.is_none() && rungs.is_empty() {
        return Ok(None);
    }
    let mode = match mode {
        None => None,
        Some("fixed") => Some(Mode::Fixed),
        Some("scaled") => Some(Mode::Scaled),
        Some(other) => {
            let sentence = format!("`{}` is no mode of a ladder", other.escape_debug());
            return Err(CliError::new(Exit::Usage, "ladder-mode", sentence, "write `fixed` or `scaled`"));
        }
    };
    Ok(Some(LadderText { mode, rungs: (!rungs.is_empty()).then_some(rungs) }))
}
