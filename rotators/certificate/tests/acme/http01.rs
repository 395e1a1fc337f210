//! http-01 by our own listener.

use keywheel_certificate::acme::obtain;
use keywheel_certificate::acme::solver::{Http01Listener, Listeners};

use super::request::{Kept, Wish};
use super::rig::Pebble;
use super::wait::{is_listening, local};

#[tokio::test]
async fn a_certificate_is_obtained_by_http_01() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let wish = Wish::for_names(&["shop.example.org", "www.example.org"]);
    let kept = Kept::default();
    let solver = Http01Listener::new(local(pebble.http_port), &Listeners::default());
    let chain = obtain(&wish.request(), &account, &solver, &kept).await.expect("a chain");
    wish.assert_met_by(&chain);
    assert_eq!(chain.intermediates.len(), 1);
    assert_eq!((pebble.issued(), pebble.orders(), kept.all().len()), (1, 1, 1), "{}", pebble.log());
    assert!(!is_listening(pebble.http_port), "the listener ends with the order");
}
