//! Renewal information and `replaces`, which Debian's Pebble does not know: the gateway adds them.

use std::time::Duration;

use keywheel_certificate::acme::solver::{Http01Listener, Listeners};
use keywheel_certificate::acme::{CertificateId, OrderRequest, obtain, suggested};
use serde_json::{Value, json};

use super::gateway::{Act, Gateway, Reply, Seen};
use super::request::{Kept, Wish};
use super::rig::Pebble;
use super::wait::local;

fn solver(pebble: &Pebble) -> Http01Listener {
    Http01Listener::new(local(pebble.http_port), &Listeners::default())
}

fn with_renewal_info(directory: &mut Value) {
    let url = directory["newOrder"].as_str().expect("an address").replace("order-plz", "ari");
    directory["renewalInfo"] = json!(url);
}

/// A gateway whose directory has renewal information, and a rule for the rest.
async fn gateway(pebble: &Pebble, rest: fn(&Seen) -> Act) -> Gateway {
    Gateway::before(pebble, move |seen| if seen.is_at("dir") { Act::Edit(with_renewal_info) } else { rest(seen) }).await
}

fn id_of(der: &[u8]) -> CertificateId {
    CertificateId::of_der(der).expect("an id")
}

#[tokio::test]
async fn an_authoritys_window_is_read_and_its_wait_kept_within_bounds() {
    let pebble = Pebble::start();
    let gateway = gateway(&pebble, |seen| match seen {
        seen if seen.is_at("ari") && seen.before == 1 => Act::Answer(Reply::problem(503, "serverInternal")),
        seen if seen.is_at("ari") => {
            let window = json!({"start": "2027-01-02T04:00:00Z", "end": "2027-01-03T04:00:00Z"});
            let body = json!({"suggestedWindow": window, "explanationURL": "https://example.org/why"});
            Act::Answer(Reply::new(200, body.to_string()).with("retry-after", "21600"))
        }
        _ => Act::Forward,
    })
    .await;
    let (account, _) = gateway.account().await;
    let wish = Wish::for_names(&["shop.example.org"]);
    let chain = obtain(&wish.request(), &account, &solver(&pebble), &Kept::default()).await.expect("a chain");
    let id = id_of(chain.leaf.der());
    let said = suggested(&account, &id).await.expect("an answer").expect("a suggestion");
    assert_eq!(said.window.start.to_rfc3339(), "2027-01-02T04:00:00+00:00");
    assert!((said.ask_again_in.as_secs()).abs_diff(21600) < 5, "{said:?}");
    assert_eq!(said.explained_at.as_deref(), Some("https://example.org/why"));
    let asked = gateway.seen("ari").pop().expect("a request").path;
    assert_eq!(asked.matches('.').count(), 1, "{asked}");
    assert_eq!(suggested(&account, &id).await.expect_err("away").code, "acme-unavailable");
}

#[tokio::test]
async fn a_window_that_ends_before_it_starts_is_garbled_and_none_at_all_is_none() {
    let pebble = Pebble::start();
    let gateway = gateway(&pebble, |seen| match seen {
        seen if seen.is_at("ari") => {
            let window = json!({"start": "2027-01-03T04:00:00Z", "end": "2027-01-02T04:00:00Z"});
            Act::Answer(Reply::new(200, json!({"suggestedWindow": window}).to_string()).with("retry-after", "60"))
        }
        _ => Act::Forward,
    })
    .await;
    let (account, plain) = (gateway.account().await.0, pebble.account().await);
    let wish = Wish::for_names(&["shop.example.org"]);
    let chain = obtain(&wish.request(), &plain, &solver(&pebble), &Kept::default()).await.expect("a chain");
    assert_eq!(suggested(&plain, &id_of(chain.leaf.der())).await, Ok(None));
    assert_eq!(suggested(&account, &id_of(chain.leaf.der())).await.expect_err("garbled").code, "acme-answer-garbled");
}

/// How often an order was placed with and without `replaces`, through a gateway with the given rule.
async fn placed(rule: fn(&Seen) -> Act) -> (usize, usize) {
    let pebble = Pebble::start();
    let gateway = gateway(&pebble, rule).await;
    let (account, kept) = (gateway.account().await.0, Kept::default());
    let wish = Wish::for_names(&["shop.example.org"]);
    let old = obtain(&wish.request(), &account, &solver(&pebble), &kept).await.expect("a chain");
    let before = gateway.seen("order-plz").len();
    let id = id_of(old.leaf.der());
    let within = Duration::from_secs(30);
    let replacing = OrderRequest { replaces: Some(&id), within, ..wish.request() };
    let new = obtain(&replacing, &account, &solver(&pebble), &kept).await.expect("a chain");
    wish.assert_met_by(&new);
    assert_ne!(old, new);
    let asked: Vec<bool> =
        gateway.seen("order-plz")[before..].iter().map(|seen| seen.payload.contains("\"replaces\"")).collect();
    (asked.iter().filter(|it| **it).count(), asked.iter().filter(|it| !**it).count())
}

#[tokio::test]
async fn a_conflict_over_what_is_replaced_is_tried_one_time_without() {
    let counts = placed(|seen| match seen.payload.find("\"replaces\"") {
        Some(_) => Act::Answer(Reply::problem(409, "alreadyReplaced")),
        None => Act::Forward,
    })
    .await;
    assert_eq!(counts, (1, 1));
}

#[tokio::test]
async fn an_authority_that_forgets_what_is_replaced_is_asked_without() {
    // Pebble 2.4 reads over `replaces` and does not repeat it, as RFC 9773 demands.
    assert_eq!(placed(|_| Act::Forward).await, (1, 1));
}

#[tokio::test]
async fn an_authority_without_renewal_information_is_not_told_what_is_replaced() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let wish = Wish::for_names(&["shop.example.org"]);
    let old = obtain(&wish.request(), &account, &solver(&pebble), &Kept::default()).await.expect("a chain");
    let id = id_of(old.leaf.der());
    let replacing = OrderRequest { replaces: Some(&id), ..wish.request() };
    obtain(&replacing, &account, &solver(&pebble), &Kept::default()).await.expect("a chain");
    assert_eq!((pebble.orders(), pebble.issued()), (2, 2));
}
