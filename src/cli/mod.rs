//! Floor 4: the commands, clients of the HTTP API. The only place that prints.
//!
//! A command is a file: its arguments, what it asks, how the answer is shown. Values of secrets come from a prompt,
//! standard input or `@FILE`, never as an argument.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place that owns the screen")]

mod adopt;
mod apply;
pub mod backup;
mod client;
mod command;
mod completions;
pub mod config;
mod cx;
mod delivery;
pub mod doctor;
mod error;
mod events;
pub mod init;
mod input;
mod keys;
mod notices;
mod output;
mod rotate;
mod rotation;
mod run;
mod schedule;
mod secret;
pub mod serve;
mod status;
mod table;
mod target;
mod token;

pub use command::{Cli, Command, Global};
pub use error::{CliError, Exit};
pub use {client::Client, cx::Cx, input::ask_passphrase, output::Format, run::run};
