//! The rotator over public authorities: from a target's settings to files, and what is kept on the way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use keywheel_certificate::acme::limits::Limits;
use keywheel_certificate::acme::renewal::{Jitter, Term};
use keywheel_certificate::acme::{Acme, Lent, Mirror};
use keywheel_certificate::host::{HookError, Hooks, InstallRoot, InstallRules};
use keywheel_certificate::rotator::{CertificateRotator, Host, NOT_ISSUED, Obtain};
use keywheel_certificate::x509::{Certificate, Issued};
use keywheel_contract::kit::SystemRandom;
use keywheel_contract::{Checkpoint, Cx, Decision, Failure, Material, Prepared, RotationId, Rotator};
use keywheel_contract::{Target, TargetId, Work};
use serde_json::{Value, json};

use super::gateway::{Act, Gateway, Reply, root_of};
use super::knot::{Knot, SECRET};
use super::rig::{Pebble, Temper};
use super::wait::local;

struct NoHooks;

#[async_trait]
impl Hooks for NoHooks {
    fn knows(&self, _name: &str) -> bool {
        false
    }

    fn limit(&self, _name: &str) -> Duration {
        Duration::ZERO
    }

    async fn run(&self, name: &str) -> Result<(), HookError> {
        Err(HookError::Unknown { name: name.to_owned() })
    }
}

/// What `apply` kept, in order.
#[derive(Default)]
struct Kept(Mutex<Vec<(Material, String)>>);

impl Kept {
    fn all(&self) -> Vec<(Material, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Checkpoint for Kept {
    async fn keep(&self, candidate: &Material, identity: &str) -> Result<(), Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((candidate.clone(), identity.to_owned()));
        Ok(())
    }
}

struct World {
    acme: Arc<Acme>,
    rotator: CertificateRotator,
    target: Target,
    settings: Value,
    kept: Kept,
    now: DateTime<Utc>,
}

impl World {
    /// A rotator that installs below `root`, with accounts as they stand in a secret.
    fn new(root: &Path, acme: &Value, accounts: &Value, limits: BTreeMap<String, Limits>) -> Self {
        let obtainer = Arc::new(Acme::new(Lent::default(), Mirror::new(limits)));
        let install = InstallRoot::new("web", root, InstallRules::default());
        let roots = BTreeMap::from([("web".to_owned(), install)]);
        let lent: Arc<dyn Obtain> = Arc::clone(&obtainer) as _;
        let rotator = CertificateRotator::new(Host { roots, hooks: Arc::new(NoHooks), acme: Some(lent) });
        let now = now();
        let target = Target {
            id: TargetId::mint(now, [0; 10]),
            name: "shop".to_owned(),
            settings: json!({ "install": "web/shop", "acme": acme }),
            admins: vec![Material::from_json(accounts.to_string().as_bytes()).expect("JSON")],
        };
        let settings = json!({ "names": ["shop.example.org"], "revoke_old": true });
        Self { acme: obtainer, rotator, target, settings, kept: Kept::default(), now }
    }

    fn cx(&self) -> Cx<'_> {
        Cx { random: &SystemRandom, deadline: Duration::from_mins(1), now: now(), checkpoint: &self.kept }
    }

    fn work(&self, current: Option<&Material>) -> Work {
        Work {
            rotation: RotationId::mint(self.now, [1; 10]),
            secret: "shop/tls".to_owned(),
            settings: self.settings.clone(),
            current: current.cloned(),
            next_due_at: None,
        }
    }

    async fn prepared(&self, work: &Work) -> Material {
        match self.rotator.prepare(&self.cx(), &self.target, work).await.expect("prepared") {
            Prepared::Minted { material, identity } => {
                assert_eq!(identity, NOT_ISSUED);
                material
            }
            Prepared::IssuedByTarget => panic!("keys are made here"),
        }
    }

    async fn applied(&self, work: &Work, candidate: &Material) -> Result<Material, Failure> {
        let applied = self.rotator.apply(&self.cx(), &self.target, work, candidate).await?;
        Ok(applied.issued.expect("a certificate").0)
    }
}

#[allow(clippy::disallowed_methods, reason = "Pebble issues by its own clock")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

async fn account(name: &str, gateway: &Gateway, pebble: &Pebble) -> Value {
    let (_, credentials) = gateway.account().await;
    let directory = gateway.directory();
    // The server's own certificate, and the root of what it issues, as of a private authority.
    let ca_pem = format!("{}{}", directory.ca_pem.expect("a certificate"), root_of(pebble).await);
    json!({ "name": name, "directory": directory.url, "ca_pem": ca_pem, "credentials": credentials.expose() })
}

fn http_01(pebble: &Pebble) -> Value {
    json!({ "challenge": "http-01", "listen": local(pebble.http_port) })
}

fn with_renewal_info(directory: &mut Value) {
    let url = directory["newOrder"].as_str().expect("an address").replace("order-plz", "ari");
    directory["renewalInfo"] = json!(url);
}

#[tokio::test]
async fn a_certificate_is_ordered_installed_renewed_and_the_old_one_revoked() {
    let (pebble, root) = (Pebble::start(), tempfile::tempdir().expect("a folder"));
    let gateway = Gateway::before(&pebble, |seen| match seen {
        seen if seen.is_at("dir") => Act::Edit(with_renewal_info),
        _ => Act::Forward,
    })
    .await;
    let accounts = json!({ "accounts": [account("pebble", &gateway, &pebble).await] });
    let world = World::new(root.path(), &http_01(&pebble), &accounts, BTreeMap::new());
    let work = world.work(None);
    let candidate = world.prepared(&work).await;
    let value = world.applied(&work, &candidate).await.expect("applied");
    let issued = Issued::from_material(&value).expect("whole");
    let root_pem = root_of(&pebble).await;
    assert_eq!(issued.root, Certificate::from_pem(&root_pem).expect("a root"));
    let installed = std::fs::read_to_string(root.path().join("shop/current/cert.pem")).expect("installed");
    assert_eq!(installed, issued.certificate.pem());
    let kept = world.kept.all();
    let fields = |index: usize| kept[index].0.field_names().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((kept[0].1.as_str(), fields(0)), (NOT_ISSUED, vec_of(&["directory", "order_url", "private_key"])));
    assert_eq!((kept.len(), &kept[1].1), (2, &issued.certificate.facts().serial));

    let again = world.work(Some(&value));
    let new = world.applied(&again, &world.prepared(&again).await).await.expect("renewed");
    let replacing = gateway.seen("order-plz").iter().filter(|seen| seen.payload.contains("\"replaces\"")).count();
    assert_eq!(replacing, 1, "the renewal names what it replaces");
    for _ in 0..2 {
        world.rotator.retire(&world.cx(), &world.target, &again, &value, &new).await.expect("retired");
    }
    assert!(pebble.log().to_lowercase().contains("revoke"), "{}", pebble.log());
}

fn vec_of(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn a_kept_candidate_is_gone_on_with_after_a_lost_answer() {
    let (pebble, root) = (Pebble::start(), tempfile::tempdir().expect("a folder"));
    let is_silent = AtomicBool::new(true);
    let gateway = Gateway::before(&pebble, move |seen| match seen {
        seen if seen.is_at("finalize-order") => Act::Lose,
        // The first word after the lost answer is lost, too.
        seen if seen.is_after_finalize && seen.is_at("my-order") && is_silent.swap(false, Ordering::SeqCst) => {
            Act::Answer(Reply::new(502, "<html>"))
        }
        _ => Act::Forward,
    })
    .await;
    let accounts = json!({ "accounts": [account("pebble", &gateway, &pebble).await] });
    let world = World::new(root.path(), &http_01(&pebble), &accounts, BTreeMap::new());
    let work = world.work(None);
    let candidate = world.prepared(&work).await;
    let failure = world.applied(&work, &candidate).await.expect_err("nobody knows");
    assert_eq!((failure.code, failure.decision), ("acme-finalize-unanswered", Decision::Unknown));
    let kept = world.kept.all().pop().expect("the order is kept").0;
    let value = world.applied(&work, &kept).await.expect("applied");
    assert_eq!(value.text("private_key"), candidate.text("private_key"));
    assert_eq!((pebble.issued(), pebble.orders(), gateway.seen("finalize-order").len()), (1, 1, 1));
    assert!(root.path().join("shop/current/fullchain.pem").exists());
}

#[tokio::test]
async fn a_wait_that_an_authority_asks_for_is_kept_without_asking_it_again() {
    let (pebble, root) = (Pebble::start(), tempfile::tempdir().expect("a folder"));
    let gateway = Gateway::before(&pebble, |seen| match seen {
        seen if seen.is_at("order-plz") => Act::Answer(Reply::problem(429, "rateLimited").with("retry-after", "3600")),
        _ => Act::Forward,
    })
    .await;
    let accounts = json!({ "accounts": [account("pebble", &gateway, &pebble).await] });
    let world = World::new(root.path(), &http_01(&pebble), &accounts, BTreeMap::new());
    let work = world.work(None);
    let candidate = world.prepared(&work).await;
    let first = world.applied(&work, &candidate).await.expect_err("limited");
    let second = world.applied(&work, &candidate).await.expect_err("held back");
    assert_eq!((first.code, second.code), ("acme-rate-limited", "acme-limit-near"));
    assert!(matches!(second.decision, Decision::Transient { not_before: Some(_) }), "{second:?}");
    assert_eq!(gateway.seen("order-plz").len(), 1);
    assert!(world.acme.mirror().to_json().contains("blocked_until"));
}

#[tokio::test]
async fn records_are_updated_by_a_key_of_the_accounts_secret() {
    let (knot, root) = (Knot::start("hmac-sha256"), tempfile::tempdir().expect("a folder"));
    let pebble = Pebble::with(&Temper { dns: Some(knot.port), ..Temper::default() });
    let gateway = Gateway::before(&pebble, |_| Act::Forward).await;
    let account = account("pebble", &gateway, &pebble).await;
    let keys = json!([{ "name": "acme-key", "secret": SECRET }]);
    let accounts = json!({ "accounts": [account], "tsig_keys": keys });
    let update = |key: &str| json!({ "server": local(knot.port), "zone": "example.org", "key": key });
    let acme = |key: &str| json!({ "challenge": "dns-01", "rfc2136": update(key) });
    let mut world = World::new(root.path(), &acme("acme-key"), &accounts, BTreeMap::new());
    world.settings = json!({ "names": ["*.example.org", "example.org"], "key": "p384" });
    let work = world.work(None);
    let candidate = world.prepared(&work).await;
    let value = world.applied(&work, &candidate).await.expect("applied");
    assert_eq!(Issued::from_material(&value).expect("whole").certificate.facts().names.len(), 2);
    world.target.settings["acme"] = acme("another");
    let failure = world.applied(&work, &candidate).await.expect_err("no such key");
    assert_eq!(failure.decision, Decision::Misconfigured { key: "target.acme.rfc2136.key".to_owned() });
}

#[tokio::test]
async fn an_authoritys_window_decides_when_to_renew_and_its_silence_changes_nothing() {
    let (pebble, root) = (Pebble::start(), tempfile::tempdir().expect("a folder"));
    let gateway = Gateway::before(&pebble, |seen| match seen {
        seen if seen.is_at("dir") => Act::Edit(with_renewal_info),
        seen if seen.is_at("ari") && seen.before == 0 => {
            let (start, end) = (now() + Duration::from_hours(48), now() + Duration::from_hours(72));
            let body = json!({ "suggestedWindow": { "start": start.to_rfc3339(), "end": end.to_rfc3339() } });
            Act::Answer(Reply::new(200, body.to_string()).with("retry-after", "21600"))
        }
        seen if seen.is_at("ari") => Act::Answer(Reply::new(500, "oops")),
        _ => Act::Forward,
    })
    .await;
    let accounts = json!({ "accounts": [account("pebble", &gateway, &pebble).await] });
    let world = World::new(root.path(), &http_01(&pebble), &accounts, BTreeMap::new());
    let work = world.work(None);
    let value = world.applied(&work, &world.prepared(&work).await).await.expect("applied");
    let facts = Issued::from_material(&value).expect("whole").certificate.facts().clone();
    let term = Term { not_before: facts.not_before, not_after: facts.not_after, obtained_at: now() };
    let accounts = &world.target.admins[0];
    let jitter = Jitter::new([0x80, 0]);
    let due = world.acme.due(accounts, &value, term, None, jitter).await;
    let hours = (due.at - now()).num_minutes() / 60;
    assert!((59..=60).contains(&hours) && due.point == Some(due.at), "{due:?}");
    let silent = world.acme.due(accounts, &value, term, due.point, Jitter::new([0, 0])).await;
    assert_eq!((silent.at, silent.point), (due.at, due.point));
}

#[tokio::test]
async fn an_authority_that_clamps_lifetimes_is_not_asked_again_at_once() {
    let root = tempfile::tempdir().expect("a folder");
    let pebble = Pebble::with(&Temper { lifetime: 600, ..Temper::default() });
    let gateway = Gateway::before(&pebble, |_| Act::Forward).await;
    let accounts = json!({ "accounts": [account("pebble", &gateway, &pebble).await] });
    let world = World::new(root.path(), &http_01(&pebble), &accounts, BTreeMap::new());
    let work = world.work(None);
    let value = world.applied(&work, &world.prepared(&work).await).await.expect("applied");
    let facts = Issued::from_material(&value).expect("whole").certificate.facts().clone();
    assert!((facts.not_after - facts.not_before).num_seconds() <= 600, "{facts:?}");
    let term = Term { not_before: facts.not_before, not_after: facts.not_after, obtained_at: now() };
    let due = world.acme.due(&world.target.admins[0], &value, term, None, Jitter::new([0, 0])).await;
    assert!((due.at - now()).num_seconds() > 180 && due.at < facts.not_after, "{due:?}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_before_anything_is_done() {
    let root = tempfile::tempdir().expect("a folder");
    for (acme, names, key) in [
        (json!({ "challenge": "dns-01", "hook": "nobody" }), "shop.example.org", "target.acme.hook"),
        (json!({ "challenge": "http-01", "webroot": "nowhere" }), "shop.example.org", "target.acme.webroot"),
        (json!({ "challenge": "http-01" }), "*.example.org", "secret.names"),
    ] {
        let world = World::new(root.path(), &acme, &json!({}), BTreeMap::new());
        let failure = world.rotator.declare(&world.target.settings, &json!({ "names": [names] })).expect_err("refused");
        assert_eq!(failure.decision, Decision::Misconfigured { key: key.to_owned() });
    }
}
