//! From a command to its file.

use super::{
    CliError, Command, Cx, Exit, adopt, apply, backup, completions, config, delivery, events, keys,
    notices::{channel, clock, expiring, notice, route, silence, track},
    rotate, rotation,
    schedule::{self, plan},
    secret, status, target, token,
};

/// Runs a command that is a client of the daemon. Those that are not (`init`, `serve`, …) are run by `app`.
pub async fn run(cx: &Cx, command: Command) -> Result<Exit, CliError> {
    match command {
        Command::Status(args) => status::run(cx, args).await,
        Command::Target(args) => target::run(cx, args).await,
        Command::Secret(args) => secret::run(cx, args).await,
        Command::Token(args) => token::run(cx, args).await,
        Command::Adopt(args) => adopt::run(cx, *args).await,
        Command::Delivery(args) => delivery::run(cx, args).await,
        Command::Schedule(args) => schedule::run(cx, args).await,
        Command::Rotate(args) => rotate::run(cx, args).await,
        Command::Rotation(args) => rotation::run(cx, args).await,
        Command::Plan(args) => plan::run(cx, args).await,
        Command::Expiring(args) => expiring::run(cx, args).await,
        Command::Track(args) => track::run(cx, args).await,
        Command::Channel(args) => channel::run(cx, args).await,
        Command::Route(args) => route::run(cx, args).await,
        Command::Silence(args) => silence::run(cx, args).await,
        Command::Notices(args) => notice::list(cx, args).await,
        Command::Notice(args) => notice::run(cx, args).await,
        Command::Clock(args) => clock::run(cx, args).await,
        Command::Apply(args) => apply::run(cx, args).await,
        Command::Events(args) => events::run(cx, args).await,
        Command::Completions(args) => Ok(completions::run(&args)),
        Command::Keys(args) => keys::run(cx, args).await,
        Command::Backup(backup::Args { action: backup::Action::Create { file } }) => backup::create(cx, &file).await,
        Command::Config(config::Args { action: config::Action::Defaults }) => Ok(config::defaults()),
        Command::Init(_) | Command::Serve(_) | Command::Doctor(_) | Command::Config(_) | Command::Backup(_) => {
            Err(CliError::usage("this command runs without a daemon", "report this"))
        }
    }
}
