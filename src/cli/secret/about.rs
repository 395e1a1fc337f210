//! Options that say something about a secret, shared by `secret put`, `secret edit` and `adopt`.

use crate::{
    cli::{CliError, secret::settings},
    engine::ops::secrets,
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
    /// When the current value expires, such as `2027-01-31T12:00:00Z`; `-` for never.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    expires_at: Option<String>,
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
        Ok(secrets::About {
            owner: self.owner,
            description: self.description,
            tags: settings::tags(&self.tag)?,
            expires_at: self.expires_at.map(|text| if text == "-" { String::new() } else { text }),
            recovery: self.recovery,
            overlap: self.overlap,
        })
    }
}
