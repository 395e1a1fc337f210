//! `keywheel serve --dev`: a temporary store that is removed at the end, plain HTTP on a loopback port, a root token.

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use keywheel_contract::Random;

use super::{init, random::OsRandom, serve};
use crate::{
    cli::{CliError, Exit},
    config::{Config, Keys, Network, Store},
    lifecycle::harden,
    model::SecretText,
};

const TOKEN: &str = "KEYWHEEL_DEV_ROOT_TOKEN";

/// Serves in development mode. A process that is killed leaves its folder behind.
pub(super) async fn run(mut config: Config, listen: SocketAddr) -> Result<Exit, CliError> {
    harden()?;
    let folder = tempfile::Builder::new().prefix("keywheel-dev-").tempdir().map_err(|error| {
        let hint = "see that `TMPDIR` has room and can be written";
        CliError::new(Exit::Failed, "dev-folder", "no temporary folder can be made", hint).caused_by(&error)
    })?;
    config.daemon.data_dir = folder.path().join("data");
    config.daemon.socket = None;
    config.store = Store::default();
    config.keys = Keys::default();
    // What is tried out stands on this host.
    config.notify.allow.extend(["127.0.0.0/8", "::1/128"].map(loopback));
    init::make(&config).await?;
    let given = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
    let is_made_here = given.is_none();
    let token = SecretText::new(given.unwrap_or_else(make_token));
    let ended = serve::run(&config, Some(serve::Dev { listen, token, is_made_here })).await;
    drop(folder);
    ended
}

fn loopback(text: &str) -> Network {
    Network::try_from(text.to_owned()).expect("a network of the loopback")
}

/// A token of 192 random bits.
fn make_token() -> String {
    let mut bytes = [0; 24];
    OsRandom::new().fill(&mut bytes);
    format!("kw.{}", URL_SAFE_NO_PAD.encode(bytes))
}
