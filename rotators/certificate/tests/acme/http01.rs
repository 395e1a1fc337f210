//! http-01 by our own listener and by a web server's folder.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use keywheel_certificate::acme::obtain;
use keywheel_certificate::acme::solver::{Http01Listener, Listeners, Webroot};

use super::gateway::{Act, Gateway};
use super::request::{Kept, Wish};
use super::rig::{Pebble, Temper};
use super::wait::{is_listening, local};

#[tokio::test]
async fn a_certificate_is_obtained_by_http_01() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let wish = Wish::for_names(&["shop.example.org", "www.example.org", "127.0.0.1"]);
    let kept = Kept::default();
    let solver = Http01Listener::new(local(pebble.http_port), &Listeners::default());
    let chain = obtain(&wish.request(), &account, &solver, &kept).await.expect("a chain");
    wish.assert_met_by(&chain);
    assert_eq!(chain.intermediates.len(), 1);
    assert_eq!((pebble.issued(), pebble.orders(), kept.all().len()), (1, 1, 1), "{}", pebble.log());
    assert!(!is_listening(pebble.http_port), "the listener ends with the order");
}

#[tokio::test]
async fn two_orders_at_a_time_share_one_listener() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let (one, two) = (Wish::for_names(&["one.example.org"]), Wish::for_names(&["two.example.org"]));
    let listeners = Listeners::default();
    let (first, second) = (
        Http01Listener::new(local(pebble.http_port), &listeners),
        Http01Listener::new(local(pebble.http_port), &listeners),
    );
    let kept = Kept::default();
    let (one_request, two_request) = (one.request(), two.request());
    let (a, b) =
        tokio::join!(obtain(&one_request, &account, &first, &kept), obtain(&two_request, &account, &second, &kept));
    one.assert_met_by(&a.expect("a chain"));
    two.assert_met_by(&b.expect("a chain"));
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_and_nothing_is_validated() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let _taken = TcpListener::bind(local(pebble.http_port)).expect("a port");
    let wish = Wish::for_names(&["shop.example.org"]);
    let solver = Http01Listener::new(local(pebble.http_port), &Listeners::default());
    let error = obtain(&wish.request(), &account, &solver, &Kept::default()).await.expect_err("taken");
    assert_eq!(error.code, "acme-cannot-listen");
    assert!(!pebble.log().contains("Attempting to validate"), "{}", pebble.log());
}

#[tokio::test]
async fn a_certificate_is_obtained_by_the_folder_of_a_web_server() {
    let (pebble, root) = (Pebble::start(), tempfile::tempdir().expect("a folder"));
    let account = pebble.account().await;
    serve_files(pebble.http_port, root.path().to_owned());
    let wish = Wish::for_names(&["shop.example.org"]);
    let chain = obtain(&wish.request(), &account, &Webroot::new(root.path()), &Kept::default()).await;
    wish.assert_met_by(&chain.expect("a chain"));
    let left = std::fs::read_dir(root.path().join(".well-known/acme-challenge")).expect("the folder");
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn one_rejected_nonce_in_five_and_a_chain_of_three_change_nothing() {
    let pebble = Pebble::with(&Temper { rejected_nonces: 20, chain_length: 3, ..Temper::default() });
    let gateway = Gateway::before(&pebble, |_| Act::Forward).await;
    let (account, _) = gateway.account().await;
    let (kept, listeners) = (Kept::default(), Listeners::default());
    for number in 0..5 {
        let wish = Wish::for_names(&[&format!("shop{number}.example.org"), "www.example.org"]);
        let solver = Http01Listener::new(local(pebble.http_port), &listeners);
        let chain = obtain(&wish.request(), &account, &solver, &kept).await.expect("a chain");
        wish.assert_met_by(&chain);
        assert_eq!(chain.intermediates.len(), 3);
    }
    assert_eq!((pebble.issued(), pebble.orders()), (5, 5));
    assert!(gateway.rejected_nonces() >= 3, "{}", gateway.rejected_nonces());
}

/// A web server that knows files and nothing else.
fn serve_files(port: u16, root: PathBuf) {
    let listener = TcpListener::bind(local(port)).expect("a port");
    // Ends with the process of the tests.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let asked = lines.next().unwrap_or_default();
            let path = asked.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let (status, text) = match std::fs::read_to_string(root.join(path)) {
                Ok(text) => ("200 OK", text),
                Err(_) => ("404 Not Found", String::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", text.len());
            let _ = stream.write_all(format!("{head}{text}").as_bytes());
        }
    });
}
