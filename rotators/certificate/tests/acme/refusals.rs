//! An authority that is away, has had enough, refuses, or talks nonsense; and the next one in its place.

use std::time::Duration;

use async_trait::async_trait;
use keywheel_certificate::acme::solver::{Challenge, Http01Listener, Listeners, Presented, Proof, Solver};
use keywheel_certificate::acme::{
    Account, AcmeError, Class, OrderRequest, Preference, StoredAccount, Whose, obtain, obtain_from,
};
use keywheel_contract::{Decision, Failure, Material};
use serde_json::{Value, json};

use super::gateway::{Act, Gateway, Reply, Seen};
use super::request::{Kept, Wish};
use super::rig::Pebble;
use super::wait::local;

fn solver(pebble: &Pebble) -> Http01Listener {
    Http01Listener::new(local(pebble.http_port), &Listeners::default())
}

/// Orders through a gateway that treats requests to one kind of path by the rule.
async fn refused_at(kind: &'static str, act: fn() -> Act) -> AcmeError {
    let pebble = Pebble::start();
    let rule = move |seen: &Seen| if seen.is_at(kind) { act() } else { Act::Forward };
    let gateway = Gateway::before(&pebble, rule).await;
    let (account, _) = gateway.account().await;
    let wish = Wish::for_names(&["shop.example.org"]);
    let outcome = obtain(&wish.request(), &account, &solver(&pebble), &Kept::default()).await;
    assert!(!gateway.seen(kind).is_empty(), "nothing was asked at {kind}");
    outcome.expect_err("refused")
}

#[tokio::test]
async fn a_rate_limit_keeps_its_wait() {
    let limited = || Act::Answer(Reply::problem(429, "rateLimited").with("retry-after", "7200"));
    let error = refused_at("order-plz", limited).await;
    let not_before = Some(Duration::from_hours(2));
    assert_eq!((error.code, &error.class), ("acme-rate-limited", &Class::RateLimited { not_before }));
    assert_eq!(Failure::from(error).decision, Decision::Transient { not_before });
}

#[tokio::test]
async fn an_authority_in_maintenance_is_asked_again_when_it_says() {
    let away = || Act::Answer(Reply::new(503, "<html>back soon</html>").with("retry-after", "120"));
    let error = refused_at("authZ", away).await;
    assert_eq!(error.class, Class::Transient { not_before: Some(Duration::from_mins(2)) });
    assert_eq!((error.code, error.whose), ("acme-unavailable", Whose::Authorities));
}

#[tokio::test]
async fn nonsense_is_no_certificate_and_no_crash() {
    let long = || Act::Answer(Reply::new(200, "x".repeat(300 * 1024)));
    for (kind, code) in [("order-plz", "acme-answer-garbled"), ("authZ", "acme-answer-garbled")] {
        assert_eq!(refused_at(kind, || Act::Answer(Reply::new(200, "\u{1}{[nonsense"))).await.code, code, "{kind}");
    }
    assert_eq!(refused_at("certZ", || Act::Answer(Reply::new(200, "no PEM"))).await.code, "acme-answer-garbled");
    assert_eq!(refused_at("order-plz", long).await.code, "acme-unreachable");
}

#[tokio::test]
async fn an_answer_that_sends_elsewhere_is_not_followed() {
    let moved = || Act::Answer(Reply::new(302, "").with("location", "https://127.0.0.1:1/order-plz"));
    assert_eq!(refused_at("order-plz", moved).await.code, "acme-unavailable");
    let elsewhere = || Act::Edit(|order| order["finalize"] = json!("https://127.0.0.1:1/finalize"));
    assert_eq!(refused_at("my-order", elsewhere).await.code, "acme-address-elsewhere");
}

#[tokio::test]
async fn a_refused_name_and_a_caa_record_are_refusals_of_different_owners() {
    let name = refused_at("order-plz", || Act::Answer(Reply::problem(400, "rejectedIdentifier"))).await;
    assert_eq!((&name.class, name.whose, name.code), (&Class::Refused, Whose::Ours, "acme-name-refused"));
    let caa = refused_at("finalize-order", || Act::Answer(Reply::problem(403, "caa"))).await;
    assert_eq!((&caa.class, caa.whose, caa.code), (&Class::Refused, Whose::Authorities, "acme-caa-forbids"));
}

/// Shows nothing, or something else.
struct Idle;

#[async_trait]
impl Presented for Idle {
    async fn withdraw(self: Box<Self>) {}
}

#[async_trait]
impl Solver for Idle {
    fn challenge(&self) -> Challenge {
        Challenge::Http01
    }

    async fn present(&self, _proofs: &[Proof]) -> Result<Box<dyn Presented>, AcmeError> {
        Ok(Box::new(Self))
    }
}

#[tokio::test]
async fn a_challenge_that_nobody_answers_may_be_answered_later() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let wish = Wish::for_names(&["shop.example.org"]);
    let error = obtain(&wish.request(), &account, &Idle, &Kept::default()).await.expect_err("nobody answers");
    assert_eq!((error.code, error.whose), ("acme-validation-unreachable", Whose::Ours), "{error:?}");
    assert!(matches!(error.class, Class::Transient { .. }));
}

async fn stored(name: &str, gateway: &Gateway) -> Value {
    let (_, credentials) = gateway.account().await;
    let directory = gateway.directory();
    json!({"name": name, "directory": directory.url, "ca_pem": directory.ca_pem, "credentials": credentials.expose()})
}

fn listed(accounts: &[Value]) -> Vec<StoredAccount> {
    let json = json!({"accounts": accounts}).to_string();
    StoredAccount::list(&Material::from_json(json.as_bytes()).expect("JSON")).expect("accounts")
}

#[allow(clippy::unnecessary_wraps, reason = "one that refuses stands beside it")]
fn admit_all(_: &StoredAccount) -> Result<(), AcmeError> {
    Ok(())
}

fn ignore(_: &str, _: &AcmeError) {}

fn preferring(accounts: &[StoredAccount]) -> Preference<'_> {
    Preference { accounts, begun_at: None, issued_at: None, resolver: None, admit: &admit_all }
}

#[tokio::test]
async fn the_next_authority_is_asked_when_the_first_has_had_enough_and_not_for_a_bad_name() {
    let pebble = Pebble::start();
    for (status, kind, goes_on) in [(429, "rateLimited", true), (503, "serverInternal", true), (403, "caa", true)]
        .into_iter()
        .chain([(400, "rejectedIdentifier", false)])
    {
        let limited = move || Act::Answer(Reply::problem(status, kind));
        let rule = move |seen: &Seen| if seen.is_at("order-plz") { limited() } else { Act::Forward };
        let (first, second) = (Gateway::before(&pebble, rule).await, Gateway::before(&pebble, |_| Act::Forward).await);
        let accounts = listed(&[stored("first", &first).await, stored("second", &second).await]);
        let wish = Wish::for_names(&["shop.example.org"]);
        let outcome =
            obtain_from(&preferring(&accounts), &wish.request(), &solver(&pebble), &Kept::default(), &ignore).await;
        assert_eq!(second.seen("order-plz").len(), usize::from(goes_on), "{kind}");
        match outcome {
            Ok(obtained) => assert_eq!((goes_on, obtained.directory), (true, second.directory().url)),
            Err(error) => assert_eq!((goes_on, error.code), (false, "acme-name-refused")),
        }
    }
}

#[tokio::test]
async fn an_authority_that_is_down_is_passed_over_unless_an_order_was_begun_there() {
    let pebble = Pebble::start();
    let gone = Gateway::before(&pebble, |_| Act::Forward).await;
    let (gone_stored, gone_url) = (stored("gone", &gone).await, gone.directory().url);
    drop(gone);
    let there = Gateway::before(&pebble, |_| Act::Forward).await;
    let accounts = listed(&[gone_stored, stored("there", &there).await]);
    let wish = Wish::for_names(&["shop.example.org"]);
    let obtained =
        obtain_from(&preferring(&accounts), &wish.request(), &solver(&pebble), &Kept::default(), &ignore).await;
    assert_eq!(obtained.expect("a chain").directory, there.directory().url);
    let begun = format!("{}/my-order/1", gone_url.trim_end_matches("/dir"));
    let preference = Preference { begun_at: Some(&gone_url), ..preferring(&accounts) };
    let resumed = OrderRequest { resume: Some(&begun), ..wish.request() };
    let error =
        obtain_from(&preference, &resumed, &solver(&pebble), &Kept::default(), &ignore).await.expect_err("it may come");
    assert_eq!(error.code, "acme-unreachable");
    assert_eq!(there.seen("order-plz").len(), 1);
}

#[tokio::test]
async fn an_account_that_the_mirror_of_limits_holds_back_is_not_asked_at_all() {
    let pebble = Pebble::start();
    let gateway = Gateway::before(&pebble, |_| Act::Forward).await;
    let accounts = listed(&[stored("full", &gateway).await]);
    let asked = gateway.seen("dir").len();
    let not_before = Some(Duration::from_mins(1));
    let full = |_: &StoredAccount| {
        Err(AcmeError::new(Class::RateLimited { not_before }, Whose::Authorities, "acme-limit-near", "full", "wait"))
    };
    let wish = Wish::for_names(&["shop.example.org"]);
    let preference = Preference { admit: &full, ..preferring(&accounts) };
    let error =
        obtain_from(&preference, &wish.request(), &solver(&pebble), &Kept::default(), &ignore).await.expect_err("full");
    assert_eq!((error.code, error.class), ("acme-limit-near", Class::RateLimited { not_before }));
    assert_eq!(gateway.seen("dir").len(), asked);
}

#[tokio::test]
async fn an_account_that_the_authority_has_lost_is_misconfigured() {
    let (one, two) = (Pebble::start(), Pebble::start());
    let (_, credentials) = Account::register(&one.registration()).await.expect("an account");
    let directory = two.directory();
    // The same account, as if the authority had begun anew.
    let moved = credentials.expose().replace(&format!(":{}/", one.port()), &format!(":{}/", two.port()));
    let account = json!({
        "name": "moved", "directory": directory.url, "ca_pem": directory.ca_pem, "credentials": moved,
    });
    let account = Account::open(&listed(&[account])[0], None).await.expect("the directory is there");
    let wish = Wish::for_names(&["shop.example.org"]);
    let error = obtain(&wish.request(), &account, &solver(&two), &Kept::default()).await.expect_err("lost");
    assert_eq!((error.code, error.whose), ("acme-account-unknown", Whose::Authorities));
    assert!(matches!(error.class, Class::Misconfigured { .. }), "{error:?}");
}
