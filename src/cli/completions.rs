//! `keywheel completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Exit, output};

/// Arguments of `keywheel completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "keywheel", &mut script);
    output::text(&String::from_utf8_lossy(&script));
    Exit::Done
}
