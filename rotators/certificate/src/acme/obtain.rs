//! What the rotator asks of public authorities, answered: from a candidate and its settings to a whole value.
//!
//! The order's address is kept before anything is issued; the whole value is kept by the rotator. The directory that
//! issued stays in the value, so that renewals name what they replace to who issued it, and revocations find it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keywheel_contract::{Cx, Failure, Material, SecretText};
use serde::Deserialize;
use serde_json::Value;

use super::account::{Account, StoredAccount};
use super::anchor::{Ordered, anchored};
use super::error::{AcmeError, Class};
use super::limits::Planned;
use super::mirror::Mirror;
use super::order::{OrderRequest, Progress};
use super::preference::{Obtained, Preference, obtain_from};
use super::renewal_info::CertificateId;
use super::revoke::{Reason, revoke};
use super::settings::{AcmeSettings, Means, Update, invalid};
use super::solver::{
    Challenge, Dns01, DnsProgram, Http01Listener, Listeners, Program, Rfc2136, Solver, TlsAlpn01, UpdateSettings,
    Visible, Webroot,
};
use crate::rotator::{NOT_ISSUED, Obtain, Wish};
use crate::x509::{Certificate, PrivateKey, SubjectName};

/// The longest that one order may take.
const PATIENCE: Duration = Duration::from_mins(5);

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

/// Obtains certificates by ACME. One for a daemon: it holds the listeners that orders share, and the mirror of limits.
pub struct Acme {
    lent: Lent,
    listeners: Listeners,
    mirror: Mirror,
}

impl Acme {
    /// Obtains with what is lent, within the limits that are mirrored.
    pub fn new(lent: Lent, mirror: Mirror) -> Self {
        Self { lent, listeners: Listeners::default(), mirror }
    }

    /// The mirror of limits, to be kept over a restart.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    fn solver(&self, cx: &Cx<'_>, settings: &AcmeSettings, accounts: &Material) -> Result<Box<dyn Solver>, Failure> {
        let mut visible = Visible {
            servers: settings.visible_at.clone(),
            within: Duration::from_secs(settings.visible_within_seconds),
        };
        Ok(match &settings.means {
            Means::Listener(address) if settings.challenge == Challenge::TlsAlpn01 => {
                Box::new(TlsAlpn01::new(*address, &self.listeners))
            }
            Means::Listener(address) => Box::new(Http01Listener::new(*address, &self.listeners)),
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

    fn webroot(&self, name: &str) -> Result<PathBuf, Failure> {
        let hint = "name an `[[install_root]]` of the daemon's configuration file, or add it there";
        let unknown = || invalid("target.acme.webroot", "the configuration has no folder of this name", hint);
        self.lent.webroots.get(name).cloned().ok_or_else(unknown)
    }

    fn program(&self, name: &str) -> Result<Arc<dyn Program>, Failure> {
        let hint = "name a `[[hook]]` of the daemon's configuration file, or add it there";
        let unknown = || invalid("target.acme.hook", "the configuration has no hook of this name", hint);
        self.lent.programs.get(name).cloned().ok_or_else(unknown)
    }

    async fn order(
        &self,
        cx: &Cx<'_>,
        wish: &Wish<'_>,
        candidate: &Material,
        accounts: &[StoredAccount],
        key: &PrivateKey,
    ) -> Result<Obtained, Failure> {
        let settings = AcmeSettings::read(wish.acme)?;
        let solver = self.solver(cx, &settings, wish.accounts)?;
        let names: Vec<String> = wish.names.iter().map(ToString::to_string).collect();
        let csr_der = key
            .csr_der(wish.names, wish.common_name)
            .map_err(|error| Failure::misconfigured("secret.names", error.code(), error.to_string(), error.hint()))?;
        let replaced = wish.current.and_then(replaced);
        let (replaces, issued_at) = replaced.as_ref().map(|(id, directory)| (id, *directory)).unzip();
        let admit = |stored: &StoredAccount| {
            let is_replacing = issued_at == Some(stored.directory.as_str());
            self.mirror.admit(&stored.directory, &Planned { names: &names, is_replacing }, cx.now)
        };
        let begun_at = candidate.text("directory");
        let preference = Preference { accounts, begun_at, issued_at, resolver: self.lent.resolver, admit: &admit };
        let request = OrderRequest {
            names: &names,
            csr_der: &csr_der,
            profile: settings.profile.as_deref(),
            replaces,
            resume: candidate.text("order_url"),
            // The installation needs its time, too.
            within: PATIENCE.min(cx.deadline * 3 / 4),
        };
        let progress = Kept { cx, candidate, mirror: &self.mirror };
        let note = |directory: &str, error: &AcmeError| self.mirror.note_failure(directory, &names, error, cx.now);
        let obtained = obtain_from(&preference, &request, &*solver, &progress, &note).await?;
        self.mirror.note(&obtained.directory, cx.now, |ledger| ledger.issued(&names, cx.now));
        Ok(obtained)
    }
}

#[async_trait]
impl Obtain for Acme {
    fn check(&self, acme: &Value, names: &[SubjectName]) -> Result<(), Failure> {
        let settings = AcmeSettings::read(acme)?;
        match &settings.means {
            Means::Webroot(name) => self.webroot(name).map(drop)?,
            Means::Hook(name) => self.program(name).map(drop)?,
            Means::Listener(_) | Means::Update(_) => {}
        }
        settings.check_names(names)
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    async fn obtain(&self, cx: &Cx<'_>, wish: &Wish<'_>, candidate: &Material) -> Result<Material, Failure> {
        let key = PrivateKey::from_material(candidate).map_err(|error| {
            Failure::misconfigured("secret.candidate.private_key", error.code(), error.to_string(), error.hint())
        })?;
        let accounts = StoredAccount::list(wish.accounts)?;
        let Obtained { chain, directory } = self.order(cx, wish, candidate, &accounts, &key).await?;
        let ca_pem = accounts.iter().find(|account| account.directory == directory);
        let ca_pem = ca_pem.and_then(|account| account.ca_pem.as_deref());
        let ordered = Ordered { names: wish.names, profile: wish.profile, key: &key };
        let value = anchored(chain, &ordered, ca_pem, cx.now)?.to_material(Some(&key));
        Ok(with_directory(&value, &directory))
    }

    async fn revoke(&self, cx: &Cx<'_>, accounts: &Material, _acme: &Value, old: &Material) -> Result<(), Failure> {
        let Some(pem) = old.text("certificate") else { return Ok(()) };
        let leaf = Certificate::from_pem(pem).map_err(|error| {
            Failure::misconfigured("secret.old.certificate", error.code(), error.to_string(), error.hint())
        })?;
        if leaf.facts().not_after <= cx.now {
            return Ok(());
        }
        let issued_at = old.text("directory");
        let mut said = None;
        for stored in StoredAccount::list(accounts)? {
            if issued_at.is_some_and(|directory| directory != stored.directory) {
                continue;
            }
            match self.revoke_at(&stored, pem).await {
                Ok(()) => return Ok(()),
                Err(error) => said = worse(said, error),
            }
        }
        said.map_or(Err(nobody_left(issued_at)), |error| Err(error.into()))
    }
}

impl Acme {
    async fn revoke_at(&self, stored: &StoredAccount, pem: &str) -> Result<(), AcmeError> {
        let account = Account::open(stored, self.lent.resolver).await?;
        revoke(&account, pem, Reason::Superseded).await
    }
}

/// Of two authorities' answers, the one after which a repeat may help.
fn worse(said: Option<AcmeError>, error: AcmeError) -> Option<AcmeError> {
    match said {
        Some(said) if matches!(said.class, Class::Transient { .. } | Class::RateLimited { .. }) => Some(said),
        _ => Some(error),
    }
}

fn nobody_left(issued_at: Option<&str>) -> Failure {
    let at = issued_at.unwrap_or("an authority");
    Failure::misconfigured(
        "target.admin",
        "acme-account-gone",
        format!("the certificate was issued at `{at}`, and no account there is left to revoke it"),
        "put the account back, or leave the certificate to its end",
    )
}

/// How the version in use is named to who issued it.
fn replaced(current: &Material) -> Option<(CertificateId, &str)> {
    let leaf = Certificate::from_pem(current.text("certificate")?).ok()?;
    Some((CertificateId::of_der(leaf.der())?, current.text("directory")?))
}

fn with_directory(value: &Material, directory: &str) -> Material {
    let fields = value.expose().iter().filter_map(|(name, field)| Some((name.as_str(), field.as_str()?)));
    Material::of_texts(fields.chain([("directory", directory)]))
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

/// Keeps an order's address with the key that it is for.
struct Kept<'a> {
    cx: &'a Cx<'a>,
    candidate: &'a Material,
    mirror: &'a Mirror,
}

#[async_trait]
impl Progress for Kept<'_> {
    async fn ordered(&self, directory: &str, order_url: &str) -> Result<(), Failure> {
        if self.candidate.text("order_url") == Some(order_url) {
            return Ok(());
        }
        self.mirror.note(directory, self.cx.now, |ledger| ledger.ordered(self.cx.now));
        let key = self.candidate.text("private_key").unwrap_or_default();
        let fields = [("private_key", key), ("order_url", order_url), ("directory", directory)];
        self.cx.checkpoint.keep(&Material::of_texts(fields), NOT_ISSUED).await
    }
}
