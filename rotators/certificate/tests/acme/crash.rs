//! Crashes and lost answers around finalize: a certificate that was issued is downloaded, and none is ordered anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keywheel_certificate::acme::solver::{Http01Listener, Listeners};
use keywheel_certificate::acme::{Class, OrderRequest, Reason, collect, obtain, revoke};

use super::gateway::{Act, Gateway, Reply};
use super::request::{Kept, Wish};
use super::rig::Pebble;
use super::wait::{eventually, local};

fn solver(pebble: &Pebble) -> Http01Listener {
    Http01Listener::new(local(pebble.http_port), &Listeners::default())
}

#[tokio::test]
async fn a_crash_after_finalize_downloads_in_place_of_ordering_again() {
    let pebble = Pebble::start();
    let gateway = Gateway::before(&pebble, |seen| match seen.path.as_str() {
        path if path.starts_with("/finalize-order") => Act::Hang,
        _ => Act::Forward,
    })
    .await;
    let (account, _) = gateway.account().await;
    let (wish, kept) = (Wish::for_names(&["shop.example.org"]), Kept::default());
    let (request, shown) = (wish.request(), solver(&pebble));
    tokio::select! {
        // Dropped in the middle, as a crash would.
        ended = obtain(&request, &account, &shown, &kept) => panic!("ended too soon: {ended:?}"),
        () = gateway.hung() => {}
    }
    eventually("the certificate is issued", || (pebble.issued() == 1).then_some(()));
    let url = kept.last();
    let resumed = OrderRequest { resume: Some(&url), ..wish.request() };
    let chain = obtain(&resumed, &account, &solver(&pebble), &kept).await.expect("a chain");
    wish.assert_met_by(&chain);
    let again = collect(&account, &url, Duration::from_secs(5)).await.expect("an answer");
    assert_eq!(again, Some(chain));
    assert_eq!((pebble.issued(), pebble.orders()), (1, 1), "{}", pebble.log());
    assert_eq!(gateway.seen("finalize-order").len(), 1);
}

#[tokio::test]
async fn a_crash_before_finalize_goes_on_with_the_order() {
    let pebble = Pebble::start();
    let gateway = Gateway::before(&pebble, |seen| match seen {
        seen if seen.is_at("authZ") && seen.before == 0 => Act::Hang,
        _ => Act::Forward,
    })
    .await;
    let (account, _) = gateway.account().await;
    let (wish, kept) = (Wish::for_names(&["shop.example.org"]), Kept::default());
    let (request, shown) = (wish.request(), solver(&pebble));
    tokio::select! {
        ended = obtain(&request, &account, &shown, &kept) => panic!("ended too soon: {ended:?}"),
        () = gateway.hung() => {}
    }
    let url = kept.last();
    assert_eq!(collect(&account, &url, Duration::from_secs(5)).await.expect("an answer"), None);
    let resumed = OrderRequest { resume: Some(&url), ..wish.request() };
    wish.assert_met_by(&obtain(&resumed, &account, &solver(&pebble), &kept).await.expect("a chain"));
    assert_eq!((pebble.issued(), pebble.orders()), (1, 1));
}

#[tokio::test]
async fn a_lost_answer_to_finalize_is_looked_up_at_the_order() {
    let pebble = Pebble::start();
    let gateway = Gateway::before(&pebble, |seen| match seen.path.as_str() {
        path if path.starts_with("/finalize-order") => Act::Lose,
        _ => Act::Forward,
    })
    .await;
    let (account, _) = gateway.account().await;
    let wish = Wish::for_names(&["shop.example.org"]);
    let chain = obtain(&wish.request(), &account, &solver(&pebble), &Kept::default()).await.expect("a chain");
    wish.assert_met_by(&chain);
    assert_eq!((pebble.issued(), gateway.seen("finalize-order").len()), (1, 1));
}

#[tokio::test]
async fn a_lost_answer_with_no_word_of_the_order_is_unknown_and_then_downloaded() {
    let pebble = Pebble::start();
    let lifted = Arc::new(AtomicBool::new(false));
    let is_lifted = Arc::clone(&lifted);
    let gateway = Gateway::before(&pebble, move |seen| {
        let is_silent = seen.is_after_finalize && seen.is_at("my-order") && !is_lifted.load(Ordering::SeqCst);
        match seen {
            seen if seen.is_at("finalize-order") => Act::Lose,
            _ if is_silent => Act::Answer(Reply::new(502, "<html>")),
            _ => Act::Forward,
        }
    })
    .await;
    let (account, _) = gateway.account().await;
    let (wish, kept) = (Wish::for_names(&["shop.example.org"]), Kept::default());
    let error = obtain(&wish.request(), &account, &solver(&pebble), &kept).await.expect_err("nobody knows");
    assert_eq!((error.class, error.code), (Class::Unknown, "acme-finalize-unanswered"));
    lifted.store(true, Ordering::SeqCst);
    let url = kept.last();
    let resumed = OrderRequest { resume: Some(&url), ..wish.request() };
    wish.assert_met_by(&obtain(&resumed, &account, &solver(&pebble), &kept).await.expect("a chain"));
    assert_eq!((pebble.issued(), pebble.orders()), (1, 1));
}

#[tokio::test]
async fn an_order_that_is_gone_or_invalid_is_ordered_anew() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let wish = Wish::for_names(&["shop.example.org"]);
    let gone = format!("https://localhost:{}/my-order/nothing", pebble.port());
    let resumed = OrderRequest { resume: Some(&gone), ..wish.request() };
    let kept = Kept::default();
    wish.assert_met_by(&obtain(&resumed, &account, &solver(&pebble), &kept).await.expect("a chain"));
    assert_ne!(kept.last(), gone);
}

#[tokio::test]
async fn an_order_that_stays_in_the_works_is_asked_again_when_the_authority_says() {
    let pebble = Pebble::start();
    let gateway = Gateway::before(&pebble, |seen| match seen {
        seen if seen.is_after_finalize && seen.is_at("my-order") => Act::Busy(900),
        _ => Act::Forward,
    })
    .await;
    let (account, _) = gateway.account().await;
    let wish = Wish::for_names(&["shop.example.org"]);
    let error = obtain(&wish.request(), &account, &solver(&pebble), &Kept::default()).await.expect_err("in the works");
    assert_eq!(error.code, "acme-too-slow", "{error:?}");
    let Class::Transient { not_before: Some(wait) } = error.class else { panic!("{error:?}") };
    assert!((850..=900).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn an_authority_that_hangs_does_not_hold_an_attempt_beyond_its_time() {
    let pebble = Pebble::start();
    for (kind, code, seconds) in [("order-plz", "acme-too-slow", 2), ("finalize-order", "acme-finalize-unanswered", 10)]
    {
        let gateway =
            Gateway::before(&pebble, move |seen| if seen.is_at(kind) { Act::Hang } else { Act::Forward }).await;
        let (account, _) = gateway.account().await;
        let wish = Wish::for_names(&["shop.example.org"]);
        let hurried = OrderRequest { within: Duration::from_secs(seconds), ..wish.request() };
        let started = Instant::now();
        let error = obtain(&hurried, &account, &solver(&pebble), &Kept::default()).await.expect_err("it hangs");
        assert_eq!(error.code, code, "{error:?}");
        // By itself, a request is given up after half a minute.
        assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_certificate_is_revoked_and_revoked_again_without_harm() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let wish = Wish::for_names(&["shop.example.org"]);
    let chain = obtain(&wish.request(), &account, &solver(&pebble), &Kept::default()).await.expect("a chain");
    revoke(&account, &chain.leaf.pem(), Reason::Superseded).await.expect("revoked");
    revoke(&account, &chain.leaf.pem(), Reason::Superseded).await.expect("revoked already");
    let stranger = Pebble::start().account().await;
    assert!(revoke(&stranger, &chain.leaf.pem(), Reason::Superseded).await.is_err());
}
