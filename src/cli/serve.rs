//! `keywheel serve`: its arguments, and what development mode tells.

use std::net::SocketAddr;

use super::output;
use crate::model::SecretText;

/// Arguments of `keywheel serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Development mode: a temporary store that is removed at the end, plain HTTP on a loopback port, a root token.
    #[arg(long)]
    pub dev: bool,
    /// The loopback address of development mode.
    #[arg(long, value_name = "ADDRESS", requires = "dev", default_value = "127.0.0.1:8200")]
    pub listen: SocketAddr,
}

/// Tells how to reach a daemon in development mode. The token is shown if it was made here.
pub fn tell_dev(address: SocketAddr, made_token: Option<&SecretText>) {
    let mut lines = vec![
        "development mode: everything is gone when this ends".to_owned(),
        format!("export KEYWHEEL_ADDR=http://{address}"),
    ];
    match made_token {
        Some(token) => lines.push(format!("export KEYWHEEL_TOKEN={}", token.expose())),
        None => lines.push("export KEYWHEEL_TOKEN=\"$KEYWHEEL_DEV_ROOT_TOKEN\"".to_owned()),
    }
    output::text(&format!("{}\n", lines.join("\n")));
}
