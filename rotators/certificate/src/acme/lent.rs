//! What a daemon lends to orders, and who meets a challenge with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keywheel_contract::{Cx, Failure, Material, SecretText};
use serde::Deserialize;
use serde_json::Value;

use super::settings::{AcmeSettings, Means, Update, invalid};
use super::solver::{
    Challenge, Dns01, DnsProgram, Http01Listener, Listeners, Program, Rfc2136, Solver, TlsAlpn01, UpdateSettings,
    Visible, Webroot,
};

/// What the daemon's configuration file gives for orders.
#[derive(Clone, Default)]
pub struct Lent {
    /// Folders of web servers, by name.
    pub webroots: BTreeMap<String, PathBuf>,
    /// Programs that set DNS records, by name.
    pub programs: BTreeMap<String, Arc<dyn Program>>,
    /// The DNS server to find authorities by; the system's if there is none.
    pub resolver: Option<SocketAddr>,
}

impl Lent {
    /// Who meets the challenge of the settings.
    pub(super) fn solver(
        &self,
        cx: &Cx<'_>,
        listeners: &Listeners,
        settings: &AcmeSettings,
        accounts: &Material,
    ) -> Result<Box<dyn Solver>, Failure> {
        let mut visible = Visible {
            servers: settings.visible_at.clone(),
            within: Duration::from_secs(settings.visible_within_seconds),
        };
        Ok(match &settings.means {
            Means::Listener(address) if settings.challenge == Challenge::TlsAlpn01 => {
                Box::new(TlsAlpn01::new(*address, listeners))
            }
            Means::Listener(address) => Box::new(Http01Listener::new(*address, listeners)),
            Means::Webroot(name) => Box::new(Webroot::new(self.webroot(name)?)),
            Means::Hook(name) => Box::new(Dns01::new(DnsProgram::new(self.program(name)?), visible)),
            Means::Update(update) => {
                if visible.servers.is_empty() {
                    visible.servers.push(update.server);
                }
                Box::new(Dns01::new(Rfc2136::new(&update_settings(update, accounts)?, cx.now)?, visible))
            }
        })
    }

    pub(super) fn webroot(&self, name: &str) -> Result<PathBuf, Failure> {
        let hint = "name an `[[install_root]]` of the daemon's configuration file, or add it there";
        let unknown = || invalid("target.acme.webroot", "the configuration has no folder of this name", hint);
        self.webroots.get(name).cloned().ok_or_else(unknown)
    }

    pub(super) fn program(&self, name: &str) -> Result<Arc<dyn Program>, Failure> {
        let hint = "name a `[[hook]]` of the daemon's configuration file, or add it there";
        let unknown = || invalid("target.acme.hook", "the configuration has no hook of this name", hint);
        self.programs.get(name).cloned().ok_or_else(unknown)
    }
}

/// The named key of the accounts' value.
fn update_settings(update: &Update, accounts: &Material) -> Result<UpdateSettings, Failure> {
    #[derive(Deserialize)]
    struct Stored {
        name: String,
        algorithm: Option<String>,
        secret: String,
    }
    let listed = accounts.expose().get("tsig_keys").cloned().unwrap_or(Value::Array(Vec::new()));
    let hint = "put it into the list `tsig_keys` of the accounts' secret, with `name`, `algorithm` and `secret`";
    // The cause would quote what it read.
    let keys = Vec::<Stored>::deserialize(listed)
        .map_err(|_| invalid("target.admin", "the list `tsig_keys` does not fit", hint))?;
    let found = keys.into_iter().find(|key| key.name == update.key).ok_or_else(|| {
        invalid("target.acme.rfc2136.key", format!("there is no key `{}`", update.key.escape_debug()), hint)
    })?;
    Ok(UpdateSettings {
        server: update.server,
        zone: update.zone.clone(),
        key_name: found.name,
        algorithm: found.algorithm.unwrap_or_else(|| "hmac-sha256".to_owned()),
        secret: SecretText::new(found.secret),
    })
}
