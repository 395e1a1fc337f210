//! `keywheel config`.

use clap::Subcommand;

use super::{Cx, Exit, output, table::Table};
use crate::config::{Loaded, Origin};

/// The commented configuration.
const DEFAULTS: &str = include_str!("../../config/keywheel.toml");

/// Arguments of `keywheel config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Action {
    /// Reads the configuration and shows every effective value with its source.
    Check,
    /// Prints the commented configuration with every key and its default.
    Defaults,
}

/// Prints the commented configuration.
pub fn defaults() -> Exit {
    output::text(DEFAULTS);
    Exit::Done
}

/// Prints the effective values.
pub fn check(cx: &Cx, loaded: &Loaded) -> Exit {
    let file = loaded.file.as_ref().map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
    output::show(cx.format, &loaded.effective(), |effective| {
        let mut table = Table::new(["KEY", "SOURCE", "VALUE"]);
        for one in effective {
            let origin = match one.origin {
                Origin::Default => "default".to_owned(),
                Origin::File => "file".to_owned(),
                Origin::Given => "command line or environment".to_owned(),
            };
            table.row([one.key.clone(), origin, one.value.clone()]);
        }
        table
    });
    output::remark(&format!("the configuration is valid ({file})"));
    Exit::Done
}
