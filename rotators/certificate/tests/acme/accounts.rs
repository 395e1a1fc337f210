//! Accounts: external binding, terms, opened again, and who is trusted.

use keywheel_certificate::acme::solver::{Http01Listener, Listeners};
use keywheel_certificate::acme::{Account, Class, Directory, Registration, StoredAccount, obtain};
use keywheel_contract::Material;
use serde_json::json;

use super::request::{Kept, Wish};
use super::rig::{Pebble, Temper};
use super::wait::local;

const KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
const OTHER: &str = "b10lLJs8l1GPIzsLP0s6pMt8O0XVGnfTaCeROxQM0BIt2XrJMDHJZBM5NuQmQJQH";

#[tokio::test]
async fn an_external_account_is_bound_where_the_authority_wants_one() {
    let pebble = Pebble::with(&Temper { bindings: vec![("kid-1", KEY)], ..Temper::default() });
    let unbound = Account::register(&pebble.registration()).await.expect_err("a binding is wanted");
    assert_eq!(unbound.code, "acme-binding-required", "{unbound:?}");
    let wrong = Account::register(&pebble.bound("kid-1", OTHER)).await.expect_err("a wrong key");
    assert!(matches!(wrong.class, Class::Refused | Class::Misconfigured { .. }), "{wrong:?}");
    let odd = Account::register(&pebble.bound("kid-1", "no base64!")).await.expect_err("no key");
    assert_eq!(odd.code, "acme-binding-invalid");
    Account::register(&pebble.bound("kid-1", KEY)).await.expect("an account");
}

#[tokio::test]
async fn an_account_that_was_kept_is_opened_and_orders() {
    let pebble = Pebble::start();
    let (_, credentials) = Account::register(&pebble.registration()).await.expect("an account");
    let directory = pebble.directory();
    let accounts = json!({"accounts": [{
        "name": "pebble", "directory": directory.url, "ca_pem": directory.ca_pem, "credentials": credentials.expose(),
    }]});
    let material = Material::from_json(accounts.to_string().as_bytes()).expect("JSON");
    let stored = StoredAccount::list(&material).expect("an account");
    let account = Account::open(&stored[0], None).await.expect("an account");
    assert_eq!((account.name(), account.directory()), ("pebble", directory.url.as_str()));
    let wish = Wish::for_names(&["shop.example.org"]);
    let solver = Http01Listener::new(local(pebble.http_port), &Listeners::default());
    wish.assert_met_by(&obtain(&wish.request(), &account, &solver, &Kept::default()).await.expect("a chain"));
}

#[tokio::test]
async fn nobody_agrees_to_terms_in_your_place() {
    let pebble = Pebble::start();
    let registration = Registration { terms_agreed: false, ..pebble.registration() };
    let error = Account::register(&registration).await.expect_err("not agreed");
    assert_eq!(error.code, "acme-terms-not-agreed");
}

#[tokio::test]
async fn a_server_that_no_trusted_authority_vouches_for_is_not_spoken_to() {
    let pebble = Pebble::start();
    let directory = Directory { ca_pem: None, ..pebble.directory() };
    let error = Account::register(&Registration { directory, ..pebble.registration() }).await.expect_err("untrusted");
    assert!(matches!(error.code, "acme-server-untrusted" | "acme-ca-file-invalid"), "{error:?}");
}

#[tokio::test]
async fn the_authority_is_found_by_the_resolver_that_is_named() {
    let pebble = Pebble::start();
    // The challenge test server answers every name with 127.0.0.1, and the system knows no such name.
    let resolver = Some(local(pebble.challenges.dns));
    let directory = Directory { resolver, ..pebble.directory() };
    let url = directory.url.replace("localhost", "acme.example.org");
    let registration = Registration { directory: Directory { url, ..directory }, ..pebble.registration() };
    Account::register(&registration).await.expect("found by the resolver");
    let unnamed = Directory { resolver: None, ..registration.directory.clone() };
    let error =
        Account::register(&Registration { directory: unnamed, ..registration }).await.expect_err("no such name");
    assert_eq!(error.code, "acme-unreachable");
}
