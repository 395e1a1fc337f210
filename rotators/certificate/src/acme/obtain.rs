//! What the rotator asks of public authorities, answered: from a candidate and its settings to a whole value.
//!
//! The order's address is kept before anything is issued; the whole value is kept by the rotator. The directory that
//! issued stays in the value, so that renewals name what they replace to who issued it, and revocations find it.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use keywheel_contract::{Cx, Failure, Material};
use serde_json::Value;

use super::account::{Account, StoredAccount};
use super::anchor::{Ordered, anchored};
use super::error::{AcmeError, Class};
use super::lent::Lent;
use super::limits::Planned;
use super::mirror::Mirror;
use super::order::{OrderRequest, Progress};
use super::preference::{Obtained, Preference, obtain_from};
use super::renewal::{Jitter, Term};
use super::renewal_info::CertificateId;
use super::revoke::{Reason, revoke};
use super::settings::{AcmeSettings, Means};
use super::solver::Listeners;
use crate::rotator::{NOT_ISSUED, Obtain, Wish};
use crate::x509::{Certificate, PrivateKey, SubjectName};

/// The longest that one order may take.
const PATIENCE: Duration = Duration::from_mins(5);

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

    pub(super) fn resolver(&self) -> Option<SocketAddr> {
        self.lent.resolver
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
        let solver = self.lent.solver(cx, &self.listeners, &settings, wish.accounts)?;
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
            Means::Webroot(name) => self.lent.webroot(name).map(drop)?,
            Means::Hook(name) => self.lent.program(name).map(drop)?,
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

    async fn due_at(&self, cx: &Cx<'_>, accounts: &Material, value: &Material) -> Option<DateTime<Utc>> {
        let facts = Certificate::from_pem(value.text("certificate")?).ok()?;
        let facts = facts.facts();
        // Of the serial, so that the point within a window stays the same from one look to the next.
        let digest = ring::digest::digest(&ring::digest::SHA256, facts.serial.as_bytes());
        let jitter = Jitter::new([digest.as_ref()[0], digest.as_ref()[1]]);
        let term = Term {
            not_before: facts.not_before,
            not_after: facts.not_after,
            obtained_at: facts.not_before.min(cx.now),
        };
        let due = self.due(accounts, value, term, None, jitter).await;
        due.point.map(|_| due.at)
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
                Err(error) => said = Some(said.map_or_else(|| error.clone(), |said| hopeful(said, error.clone()))),
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
fn hopeful(said: AcmeError, error: AcmeError) -> AcmeError {
    if matches!(said.class, Class::Transient { .. } | Class::RateLimited { .. }) { said } else { error }
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
pub(super) fn replaced(current: &Material) -> Option<(CertificateId, &str)> {
    let leaf = Certificate::from_pem(current.text("certificate")?).ok()?;
    Some((CertificateId::of_der(leaf.der())?, current.text("directory")?))
}

fn with_directory(value: &Material, directory: &str) -> Material {
    let fields = value.expose().iter().filter_map(|(name, field)| Some((name.as_str(), field.as_str()?)));
    Material::of_texts(fields.chain([("directory", directory)]))
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
