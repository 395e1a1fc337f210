//! From arguments to an exit code.

use std::process::ExitCode;

use clap::Parser;

use super::{dev, doctor, init, serve, verify};
use crate::{
    cli::{self, Cli, CliError, Command, Cx, Exit},
    config::{Config, Loaded},
    telemetry,
};

/// Parses the arguments, runs the command, tells its error.
pub fn main() -> ExitCode {
    let parsed = Cli::parse();
    let runs_daemon = matches!(parsed.command, Command::Serve(_));
    let mut builder = if runs_daemon {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let ended = match builder.enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(run(parsed));
            // What was cut off is not waited for.
            runtime.shutdown_background();
            ended
        }
        Err(error) => {
            let sentence = "the process cannot be set up";
            Err(CliError::new(Exit::Failed, "runtime", sentence, "see `ulimit -a`").caused_by(&error))
        }
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            error.print();
            error.exit.into()
        }
    }
}

async fn run(parsed: Cli) -> Result<Exit, CliError> {
    let cx = Cx::new(parsed.global.clone());
    match parsed.command {
        Command::Init(_) => {
            let loaded = load(&parsed.global)?;
            init::run(&cx, &loaded.config).await
        }
        Command::Serve(args) => {
            let loaded = load(&parsed.global)?;
            telemetry::init(&loaded.config.log);
            if args.dev { dev::run(loaded.config, args.listen).await } else { serve::run(&loaded.config, None).await }
        }
        Command::Doctor(_) => doctor::run(&cx, load(&parsed.global)).await,
        Command::Config(cli::config::Args { action: cli::config::Action::Check }) => {
            Ok(cli::config::check(&cx, &load(&parsed.global)?))
        }
        Command::Backup(cli::backup::Args { action: cli::backup::Action::Verify { file } }) => {
            verify::run(&cx, &load(&parsed.global)?.config, &file).await
        }
        command => cli::run(&cx, command).await,
    }
}

/// The configuration, with what the command line and the environment gave.
fn load(global: &cli::Global) -> Result<Loaded, CliError> {
    let level = std::env::var("KEYWHEEL_LOG").ok().filter(|level| !level.is_empty());
    let mut loaded = Config::load(global.config.as_deref(), global.data_dir.as_deref(), level.as_deref())?;
    if let Some(socket) = &global.socket {
        loaded.config.daemon.socket = Some(socket.clone());
    }
    Ok(loaded)
}
