//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{
    Format, adopt, apply, backup, completions, config, delivery, doctor, events, init, keys,
    notices::{channel, clock, expiring, notice, route, silence, track},
    rotate, rotation,
    schedule::{self, plan},
    secret, serve, status, target, token,
};

/// Keeps every credential that has a lifetime alive, valid and replaced in time.
#[derive(Debug, Parser)]
#[command(name = "keywheel", version, about, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 needs attention.")]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "KEYWHEEL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where the daemon keeps its files; goes before the configuration file.
    #[arg(long, global = true, value_name = "DIR", env = "KEYWHEEL_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The daemon's unix socket; goes before the configuration file.
    #[arg(long, global = true, value_name = "PATH", env = "KEYWHEEL_SOCKET")]
    pub socket: Option<PathBuf>,
    /// How answers are printed.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a data directory: master key, store, first tenant.
    Init(init::Args),
    /// Runs the daemon.
    Serve(serve::Args),
    /// Tells how the daemon and its store are.
    Status(status::Args),
    /// Targets: where credentials take effect.
    Target(target::Args),
    /// Secrets: values, versions, what is known of them.
    Secret(secret::Args),
    /// Adopts an account that exists at a target, which stays untouched.
    Adopt(Box<adopt::Args>),
    /// Tokens: what applications read secrets with.
    Token(token::Args),
    /// Deliveries: where copies are written after a publish.
    Delivery(delivery::Args),
    /// Schedules: when a secret is rotated.
    Schedule(schedule::Args),
    /// Asks for rotations, or shows what one would do.
    Rotate(rotate::Args),
    /// Rotations: list, show, retry, roll back, resolve.
    Rotation(rotation::Args),
    /// Shows what rotates when, and what collides.
    Plan(plan::Args),
    /// Shows what expires, the earliest first.
    Expiring(expiring::Args),
    /// Tracks what lives elsewhere and expires.
    Track(track::Args),
    /// Channels: by which means people are told.
    Channel(channel::Args),
    /// Routes: who is told of what.
    Route(route::Args),
    /// Silences: what nobody wants to hear for a while.
    Silence(silence::Args),
    /// Shows what was told, to whom, and how far it is.
    Notices(notice::List),
    /// Notices: show, acknowledge, send again.
    Notice(notice::Args),
    /// The clock: says that it is right after it was set forward.
    Clock(clock::Args),
    /// Brings about what files declare.
    Apply(apply::Args),
    /// Shows what happened.
    Events(events::Args),
    /// Shows and rotates the keys that everything is sealed with.
    Keys(keys::Args),
    /// Makes and checks backups.
    Backup(backup::Args),
    /// Looks at everything and tells what is wrong and how to mend it.
    Doctor(doctor::Args),
    /// Checks the configuration, or prints it with all defaults.
    Config(config::Args),
    /// Prints a completion script for a shell.
    Completions(completions::Args),
}
