//! What a scan keeps: a tracked secret for each certificate that is not one of ours, and the alerts about it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    engine::{
        Trouble,
        alerts::{Wrong, kind},
        ops::{asked::Asked, secrets::About, tracked::TRACKED},
    },
    model::{Name, Secret},
    pki::{Candidate, Known, Origin, Seen, Standing, Tracked, newer_than},
    store::{Tx, Written, agenda, alert, certificate, secret},
};

/// Rows read at a time.
const ROWS: i64 = 500;
/// What the names of all begin with.
const PREFIX: &str = "scan/";

/// A certificate that was found by a scan before.
pub(super) struct Held {
    pub(super) secret: Secret,
    pub(super) tracked: Tracked,
}

impl Held {
    /// As the comparison knows it, where it lies below a root.
    pub(super) fn known_below(&self, name: &str) -> Option<Known> {
        match &self.tracked.scan {
            Origin::File { root, path, slot } if root == name => Some(self.known(path, *slot)),
            _ => None,
        }
    }

    /// As the comparison knows it, where it was presented by an endpoint.
    pub(super) fn known_at(&self, place: &str) -> Option<Known> {
        let is_it = matches!(&self.tracked.scan, Origin::Endpoint(endpoint) if endpoint == place);
        is_it.then(|| self.known(place, 1))
    }

    fn known(&self, path: &str, slot: u32) -> Known {
        Known {
            path: path.to_owned(),
            slot,
            certificate: self.tracked.certificate.clone(),
            is_forgotten: self.secret.deleted_at.is_some(),
        }
    }

    fn candidate(&self) -> Candidate {
        let seen = &self.tracked.certificate;
        Candidate {
            secret: self.secret.name.to_string(),
            names: seen.names.clone(),
            issuer_key: seen.issuer_key.clone(),
            serial: seen.serial.clone(),
            not_before: seen.not_before,
            not_after: seen.not_after,
        }
    }
}

/// The settings of a secret, where a scan wrote them.
fn tracked_in(secret: &Secret) -> Option<Tracked> {
    let is_tracked = secret.kind == TRACKED && secret.settings.get("scan").is_some();
    if is_tracked { serde_json::from_value(secret.settings.clone()).ok() } else { None }
}

/// What is to be written of one place.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) name: Name,
    pub(super) tracked: Tracked,
    pub(super) standing: Standing,
    /// What is newer than what the endpoint presents.
    pub(super) newer: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is tracked.
    Tracked,
    /// A person deleted what tracked it, or nothing did.
    Not,
    /// Another secret has its name.
    Taken,
}

impl Asked {
    /// Everything that scans found before; what a person deleted is among it.
    pub(super) async fn held(&self, tx: &mut Tx) -> Result<Vec<Held>, Trouble> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let rows = secret::list(tx, self.keyring(), self.tenant(), PREFIX, &after, ROWS).await?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|read| read < ROWS);
            for secret in rows {
                secret.name.as_str().clone_into(&mut after);
                if let Some(tracked) = tracked_in(&secret) {
                    all.push(Held { secret, tracked });
                }
            }
            if is_last {
                return Ok(all);
            }
        }
    }

    /// Those of the certificates that were issued or installed here, by the key of the issuer and serial number.
    pub(super) async fn ours_among(
        &self,
        tx: &mut Tx,
        seen: impl Iterator<Item = &Seen>,
    ) -> Result<BTreeSet<(String, String)>, Trouble> {
        let serials: BTreeSet<&str> = seen.map(|seen| seen.serial.as_str()).collect();
        let mut ours = BTreeSet::new();
        for serial in serials {
            let rows = certificate::list_by_serial(tx, self.keyring(), self.tenant(), serial).await?;
            ours.extend(rows.into_iter().map(|row| (row.issuer, row.serial)));
        }
        Ok(ours)
    }

    /// What endpoints could present: the current certificates of this house, and those that lie in files.
    pub(super) async fn candidates(&self, tx: &mut Tx) -> Result<Vec<Candidate>, Trouble> {
        let mut all = Vec::new();
        for row in certificate::list_current(tx, self.keyring(), self.tenant()).await? {
            let Some(id) = &row.secret else { continue };
            let Some(found) = secret::find(tx, self.keyring(), self.tenant(), id).await? else { continue };
            if found.deleted_at.is_none() {
                all.push(Candidate {
                    secret: found.name.to_string(),
                    names: row.names,
                    issuer_key: row.issuer,
                    serial: row.serial,
                    not_before: row.not_before,
                    not_after: row.not_after,
                });
            }
        }
        let missed = self.missed(tx).await?;
        let files = self.held(tx).await?.into_iter().filter(|held| {
            let is_file = matches!(held.tracked.scan, Origin::File { .. });
            is_file && held.secret.deleted_at.is_none() && !missed.contains(held.secret.id.as_str())
        });
        all.extend(files.map(|held| held.candidate()));
        Ok(all)
    }

    /// The secrets that are missed already.
    pub(super) async fn missed(&self, tx: &mut Tx) -> Result<BTreeSet<String>, Trouble> {
        Ok(alert::list_subjects(tx, self.tenant(), kind::VANISHED).await?.into_iter().collect())
    }

    /// The endpoints' secrets of which it is told that they present an older certificate.
    pub(super) async fn differing(&self, tx: &mut Tx) -> Result<BTreeSet<String>, Trouble> {
        Ok(alert::list_subjects(tx, self.tenant(), kind::DIFFERS).await?.into_iter().collect())
    }

    /// Writes what changed of one place, in one transaction.
    pub(super) async fn keep_found(&self, change: Change) -> Result<Kept, Trouble> {
        self.write(move |asked, tx| Box::pin(async move { asked.keep_in(tx, change).await })).await
    }

    async fn keep_in(&self, tx: &mut Tx, change: Change) -> Result<Kept, Trouble> {
        let found = match self.find_secret(tx, &change.name).await? {
            None if change.standing == Standing::Vanished => return Ok(Kept::Not),
            None => self.insert_found(tx, &change).await?,
            Some(found) if tracked_in(&found).is_none() => return Ok(Kept::Taken),
            Some(found) if found.deleted_at.is_some() => return Ok(Kept::Not),
            Some(_) => {
                let found = self.lock_living(tx, change.name.as_str()).await?;
                if change.standing == Standing::Vanished {
                    self.miss(tx, &found, &change).await?;
                    return Ok(Kept::Tracked);
                }
                self.update_found(tx, found, &change).await?
            }
        };
        self.tell_alerts(tx, &found, &change).await?;
        Ok(Kept::Tracked)
    }

    async fn insert_found(&self, tx: &mut Tx, change: &Change) -> Result<Secret, Trouble> {
        let mut fresh = self.new_secret(change.name.clone(), TRACKED);
        fresh.description = match &change.tracked.scan {
            Origin::File { root, .. } => format!("a certificate that was found below the scan root `{root}`"),
            Origin::Endpoint(place) => format!("the certificate that `{place}` presents"),
        };
        fresh.settings = json!(change.tracked);
        fresh.expires_at = Some(change.tracked.certificate.not_after);
        let rules = self.keep_expiry(tx, &fresh.clone(), &mut fresh, &only_warn(), None).await?;
        let mut written = vec![secret::insert(tx, self.keyring(), &fresh).await?];
        written.extend(rules);
        agenda::insert(tx, fresh.id.as_str(), self.tenant(), "", Some(self.now)).await?;
        let facts = json!({ "v": 1, "name": fresh.name, "kind": TRACKED, "certificate": facts(change) });
        self.tell(tx, &fresh, "certificate.found", facts, "", written).await?;
        Ok(fresh)
    }

    /// Writes what is there now; another date ends the warning of the one before.
    async fn update_found(&self, tx: &mut Tx, mut found: Secret, change: &Change) -> Result<Secret, Trouble> {
        let settings = json!(change.tracked);
        if found.settings == settings {
            return Ok(found);
        }
        let before = found.clone();
        let is_other =
            tracked_in(&found).is_some_and(|known| known.certificate.sha256 != change.tracked.certificate.sha256);
        found.settings = settings;
        let mut written: Vec<Written> = Vec::new();
        if is_other {
            found.expires_at = Some(change.tracked.certificate.not_after);
            written = self.keep_expiry(tx, &before, &mut found, &only_warn(), None).await?;
        }
        written.push(secret::update(tx, self.keyring(), &mut found).await?);
        let word = if is_other { "certificate.renewed" } else { "certificate.changed" };
        self.tell(tx, &found, word, json!({ "v": 1, "certificate": facts(change) }), "", written).await?;
        agenda::pull(tx, found.id.as_str(), self.now).await?;
        Ok(found)
    }

    async fn miss(&self, tx: &mut Tx, found: &Secret, change: &Change) -> Result<(), Trouble> {
        let open = alert::list_open(tx, self.tenant(), Some(found.id.as_str())).await?;
        if open.iter().any(|alert| alert.kind == kind::VANISHED) {
            return Ok(());
        }
        let facts = json!({ "v": 1, "certificate": facts(change) });
        self.tell(tx, found, "certificate.vanished", facts, "", Vec::new()).await?;
        let place = place_of(&change.tracked.scan);
        let names = change.tracked.certificate.names.join(", ");
        let sentence = format!("`{place}` holds no certificate any more; the last one was for `{names}`");
        let hint = format!("put it back, or `keywheel secret delete '{}'` if nobody needs it", found.name);
        let wrong = Wrong::of_secret(&found.id, kind::VANISHED, sentence, hint);
        Ok(self.engine.open_alert(tx, self.tenant(), &wrong).await?)
    }

    /// What is there again is missed no more; what an endpoint presents is the newest, or it is told that it is not.
    async fn tell_alerts(&self, tx: &mut Tx, found: &Secret, change: &Change) -> Result<(), Trouble> {
        let subject = found.id.as_str();
        self.engine.close_alerts(tx, self.tenant(), subject, &[kind::VANISHED]).await?;
        let Origin::Endpoint(place) = &change.tracked.scan else { return Ok(()) };
        let Some(newer) = &change.newer else {
            return Ok(self.engine.close_alerts(tx, self.tenant(), subject, &[kind::DIFFERS]).await?);
        };
        let until = change.tracked.certificate.not_after.format("%Y-%m-%d");
        let sentence = format!("`{place}` presents a certificate that ends on {until}, and `{newer}` is newer");
        let hint = "reload the service, or see which file it reads".to_owned();
        let wrong = Wrong::of_secret(&found.id, kind::DIFFERS, sentence, hint);
        Ok(self.engine.open_alert(tx, self.tenant(), &wrong).await?)
    }
}

/// What is newer than what an endpoint presents, by the name of its secret.
pub(super) fn newer(seen: &Seen, candidates: &[Candidate]) -> Option<String> {
    newer_than(seen, candidates).map(|one| one.secret.clone())
}

fn only_warn() -> About {
    About { on_expiry: Some("warn".to_owned()), ..About::default() }
}

fn place_of(origin: &Origin) -> String {
    match origin {
        Origin::File { root, path, .. } => format!("{root}/{path}"),
        Origin::Endpoint(place) => place.clone(),
    }
}

fn facts(change: &Change) -> Value {
    let seen = &change.tracked.certificate;
    json!({
        "place": place_of(&change.tracked.scan), "serial": seen.serial, "sha256": seen.sha256,
        "not_after": seen.not_after.timestamp_micros(),
    })
}
