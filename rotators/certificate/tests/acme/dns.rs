//! dns-01 by a program, through the challenge test server, and by signed updates, through Knot DNS.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use keywheel_certificate::acme::solver::{Dns01, DnsProgram, Program, Records, Rfc2136, Visible};
use keywheel_certificate::acme::{Class, obtain};
use serde_json::json;

use super::knot::{Knot, SECRET};
use super::request::{Kept, Wish};
use super::rig::{Pebble, Temper, post};
use super::wait::local;

/// A hook that tells the challenge test server, as a program would.
struct Hook {
    management: u16,
    calls: Mutex<Vec<String>>,
    fails_at: Option<&'static str>,
}

#[async_trait]
impl Program for Hook {
    async fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let [what, name, value] = arguments else { return Err(format!("{} arguments", arguments.len())) };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what} {name}"));
        if self.fails_at == Some(*name) && *what == "present" {
            return Err("it exited with status 7".to_owned());
        }
        let (path, body) = match *what {
            "present" => ("/set-txt", json!({"host": format!("{name}."), "value": value})),
            "cleanup" => ("/clear-txt", json!({"host": format!("{name}.")})),
            other => return Err(format!("unknown argument {other}")),
        };
        let answer = post(self.management, path, &body.to_string());
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer) }
    }
}

fn hook(pebble: &Pebble, fails_at: Option<&'static str>) -> Arc<Hook> {
    Arc::new(Hook { management: pebble.challenges.management, calls: Mutex::default(), fails_at })
}

fn calls(hook: &Hook) -> Vec<String> {
    hook.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn visible(port: u16) -> Visible {
    Visible { servers: vec![local(port)], within: Duration::from_secs(10) }
}

#[tokio::test]
async fn a_wildcard_is_obtained_by_a_program() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let hook = hook(&pebble, None);
    let solver = Dns01::new(DnsProgram::new(hook.clone()), visible(pebble.challenges.dns));
    // Both are shown at one name, at the same time.
    let wish = Wish::for_names(&["example.org", "*.example.org"]);
    wish.assert_met_by(&obtain(&wish.request(), &account, &solver, &Kept::default()).await.expect("a chain"));
    let (present, cleanup) = ("present _acme-challenge.example.org", "cleanup _acme-challenge.example.org");
    assert_eq!(calls(&hook), [present, present, cleanup, cleanup]);
}

#[tokio::test]
async fn a_program_that_fails_is_told_and_what_it_set_before_is_taken_away() {
    let pebble = Pebble::start();
    let account = pebble.account().await;
    let hook = hook(&pebble, Some("_acme-challenge.b.example.org"));
    let solver = Dns01::new(DnsProgram::new(hook.clone()), Visible::default());
    let wish = Wish::for_names(&["a.example.org", "b.example.org"]);
    let error = obtain(&wish.request(), &account, &solver, &Kept::default()).await.expect_err("status 7");
    assert_eq!(error.code, "acme-dns-hook-failed");
    assert!(error.sentence.contains("status 7"), "{error}");
    let calls = calls(&hook);
    assert!(calls.contains(&"cleanup _acme-challenge.b.example.org".to_owned()), "{calls:?}");
    let count = |what: &str| calls.iter().filter(|call| call.starts_with(what)).count();
    assert_eq!(count("present"), count("cleanup"), "{calls:?}");
}

#[tokio::test]
async fn a_record_that_is_not_to_be_seen_is_not_announced() {
    let (pebble, knot) = (Pebble::start(), Knot::start("hmac-sha256"));
    let account = pebble.account().await;
    let elsewhere = Visible { within: Duration::from_millis(700), ..visible(knot.port) };
    let solver = Dns01::new(DnsProgram::new(hook(&pebble, None)), elsewhere);
    let wish = Wish::for_names(&["shop.example.org"]);
    let error = obtain(&wish.request(), &account, &solver, &Kept::default()).await.expect_err("not seen");
    assert_eq!(error.code, "acme-record-not-visible");
    assert!(!pebble.log().contains("Attempting to validate"), "{}", pebble.log());
}

#[tokio::test]
async fn a_certificate_is_obtained_by_signed_updates_of_a_real_dns_server() {
    for algorithm in ["hmac-sha256", "hmac-sha512"] {
        let knot = Knot::start(algorithm);
        let pebble = Pebble::with(&Temper { dns: Some(knot.port), ..Temper::default() });
        let account = pebble.account().await;
        let records = Rfc2136::new(&knot.settings(algorithm, SECRET), now()).expect("settings");
        let solver = Dns01::new(records, visible(knot.port));
        let wish = Wish::for_names(&["example.org", "*.example.org", "shop.example.org"]);
        let chain = obtain(&wish.request(), &account, &solver, &Kept::default()).await;
        wish.assert_met_by(&chain.unwrap_or_else(|error| panic!("{error:?}\n{}\n{}", knot.log(), pebble.log())));
        assert_eq!(knot.texts_at("\x0f_acme-challenge\x07example\x03org\0"), 0, "the records are taken away");
        assert!(knot.log().contains("DDNS"), "{}", knot.log());
    }
}

#[tokio::test]
async fn updates_with_a_wrong_key_or_beyond_the_zone_are_misconfigured() {
    let knot = Knot::start("hmac-sha256");
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let wrong = Rfc2136::new(&knot.settings("hmac-sha256", other), now()).expect("settings");
    let error = wrong.add("_acme-challenge.example.org", "x").await.expect_err("a wrong key");
    assert!(matches!(error.class, Class::Misconfigured { .. }), "{error:?}");
    assert!(!format!("{error:?}").contains(other));
    let right = Rfc2136::new(&knot.settings("hmac-sha256", SECRET), now()).expect("settings");
    let error = right.add("_acme-challenge.example.net", "x").await.expect_err("no such zone");
    assert!(matches!(error.code, "acme-dns-update-invalid" | "acme-dns-update-failed"), "{error:?}");
    right.add("_acme-challenge.example.org", "x").await.expect("added");
    right.add("_acme-challenge.example.org", "x").await.expect("added again without harm");
    right.add("_acme-challenge.example.org", "y").await.expect("added beside it");
    assert_eq!(knot.texts_at("\x0f_acme-challenge\x07example\x03org\0"), 2);
    right.remove("_acme-challenge.example.org", "x").await.expect("removed");
    right.remove("_acme-challenge.example.org", "x").await.expect("removed again without harm");
}

#[allow(clippy::disallowed_methods, reason = "the real server compares signatures with its own clock")]
fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}
