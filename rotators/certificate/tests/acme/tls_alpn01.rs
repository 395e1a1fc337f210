//! tls-alpn-01 by our own listener.

use keywheel_certificate::acme::obtain;
use keywheel_certificate::acme::solver::{Listeners, TlsAlpn01};

use super::request::{Kept, Wish};
use super::rig::Pebble;
use super::wait::{is_listening, local};

#[tokio::test]
async fn a_certificate_is_obtained_by_tls_alpn_01() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let wish = Wish::for_names(&["shop.example.org", "www.example.org"]);
    let solver = TlsAlpn01::new(local(pebble.tls_port), &Listeners::default());
    let chain = obtain(&wish.request(), &account, &solver, &Kept::default()).await.expect("a chain");
    wish.assert_met_by(&chain);
    assert!(!is_listening(pebble.tls_port), "the listener ends with the order");
}

#[tokio::test]
async fn a_wildcard_is_refused_before_anything_is_ordered() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let wish = Wish::for_names(&["*.example.org"]);
    let solver = TlsAlpn01::new(local(pebble.tls_port), &Listeners::default());
    let error = obtain(&wish.request(), &account, &solver, &Kept::default()).await.expect_err("refused");
    assert_eq!((error.code, pebble.orders()), ("acme-challenge-unfit", 0));
}
