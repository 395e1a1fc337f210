//! What every command is given: how to print, and the way to the daemon.

use std::path::{Path, PathBuf};

use super::{CliError, Client, Format, Global, client::Address};
use crate::{config::Config, model::SecretText};

/// What every command is given.
#[derive(Debug, Clone)]
pub struct Cx {
    /// How answers are printed.
    pub format: Format,
    global: Global,
}

impl Cx {
    /// The surroundings of a command.
    pub fn new(global: Global) -> Self {
        Self { format: global.output, global }
    }

    /// The way to the daemon: `--socket` or `--data-dir`; else `KEYWHEEL_ADDR` (a URL, or `unix:PATH`) with
    /// `KEYWHEEL_TOKEN` and `KEYWHEEL_CACERT`; else the same of `VAULT_`; else the socket that the configuration names.
    pub fn client(&self) -> Result<Client, CliError> {
        Client::new(self.address()?)
    }

    fn address(&self) -> Result<Address, CliError> {
        if let Some(socket) = &self.global.socket {
            return Ok(Address::Socket(socket.clone()));
        }
        if self.global.data_dir.is_none()
            && let Some(found) = from_environment(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        {
            return found;
        }
        Ok(Address::Socket(self.configured_socket()?))
    }

    fn configured_socket(&self) -> Result<PathBuf, CliError> {
        let (config, dir) = (self.global.config.as_deref(), self.global.data_dir.as_deref());
        let loaded = Config::load(config, dir, None)?;
        Ok(loaded.config.daemon.socket())
    }

    /// The configuration file that was named, if one was.
    pub fn config_file(&self) -> Option<&Path> {
        self.global.config.as_deref()
    }
}

fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Option<Result<Address, CliError>> {
    let (address, token, authority) = match variable("KEYWHEEL_ADDR") {
        Some(address) => (address, variable("KEYWHEEL_TOKEN"), variable("KEYWHEEL_CACERT")),
        None => (variable("VAULT_ADDR")?, variable("VAULT_TOKEN"), variable("VAULT_CACERT")),
    };
    if let Some(path) = address.strip_prefix("unix:") {
        return Some(Ok(Address::Socket(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))));
    }
    if !address.starts_with("http://") && !address.starts_with("https://") {
        let sentence = format!("`{address}` is not an address of a daemon");
        return Some(Err(CliError::usage(
            sentence,
            "write `https://keys.example.org:8200` or `unix:/path/to/keywheel.sock`",
        )));
    }
    let (token, authority) = (token.map(SecretText::new), authority.map(PathBuf::from));
    Some(Ok(Address::Url { url: address, token, authority }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)]) -> Option<Result<Address, CliError>> {
        from_environment(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn keywheels_variables_go_before_vaults() {
        let both = [("VAULT_ADDR", "http://v"), ("VAULT_TOKEN", "v"), ("KEYWHEEL_ADDR", "http://k")];
        let Some(Ok(Address::Url { url, token, .. })) = found(&both) else { panic!("an address") };
        assert!(url == "http://k" && token.is_none());
        let Some(Ok(Address::Url { url, token, .. })) = found(&both[..2]) else { panic!("an address") };
        assert!(url == "http://v" && token.is_some_and(|token| token.expose() == "v"));
        assert!(found(&[]).is_none());
    }

    #[test]
    fn whom_to_trust_comes_with_its_address() {
        let all = [("VAULT_CACERT", "/v"), ("KEYWHEEL_CACERT", "/k"), ("VAULT_ADDR", "https://v")];
        let Some(Ok(Address::Url { authority, .. })) = found(&all) else { panic!("an address") };
        assert_eq!(authority, Some(PathBuf::from("/v")));
        let Some(Ok(Address::Url { authority, .. })) = found(&[("KEYWHEEL_ADDR", "https://k"), all[1]]) else {
            panic!("an address")
        };
        assert_eq!(authority, Some(PathBuf::from("/k")));
    }

    #[test]
    fn an_address_may_be_a_socket() {
        let Some(Ok(Address::Socket(path))) = found(&[("KEYWHEEL_ADDR", "unix:/run/k.sock")]) else {
            panic!("a socket")
        };
        assert_eq!(path, PathBuf::from("/run/k.sock"));
        assert!(matches!(found(&[("KEYWHEEL_ADDR", "k:8200")]), Some(Err(_))));
    }
}
