//! Which addresses are reached: a table of hosts, and names whose answers change.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use keywheel::notify::{Credentials, Limits, Outcome, open};
use serde_json::json;

use crate::support::receiver::{Receiver, Say};

use super::world::{LIMIT, Scripted, code, credentials, local, warning};

/// Hosts that stand in the URL and lead where nobody may go. `PORT` is that of a receiver on the loopback.
const LITERALS: &[&str] = &[
    "127.0.0.1:PORT",
    "127.1:PORT",
    "127.0.1:PORT",
    "127.255.255.254:PORT",
    "2130706433:PORT",
    "0x7f000001:PORT",
    "0x7f.0.0.1:PORT",
    "0177.0.0.1:PORT",
    "017700000001:PORT",
    "127.0.0.1.:PORT",
    "%31%32%37.0.0.1:PORT",
    "①②⑦.⓪.⓪.①:PORT",
    "0.0.0.0:PORT",
    "0:PORT",
    "[::1]:PORT",
    "[0:0:0:0:0:0:0:1]:PORT",
    "[::]:PORT",
    "[::ffff:127.0.0.1]:PORT",
    "[::ffff:7f00:1]:PORT",
    "[::127.0.0.1]:PORT",
    "[64:ff9b::127.0.0.1]:PORT",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]:PORT",
    "[2002:a9fe:a9fe::]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
    "[fe80::1]",
    "[fe80::5efe:7f00:1]",
    "[2a00:1450::5efe:127.0.0.1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[5f00::1]",
    "[2001:20::1]",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "169.254.1.1",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
];

/// Names, and what a name server answers.
const NAMES: &[(&str, &[&str])] = &[
    ("localhost", &["127.0.0.1"]),
    ("localhost.", &["127.0.0.1"]),
    ("LOCALHOST", &["::1"]),
    ("inner.example", &["10.0.0.1"]),
    ("metadata.example", &["169.254.169.254"]),
    ("mapped.example", &["::ffff:10.0.0.1"]),
    ("nat64.example", &["64:ff9b::169.254.169.254"]),
    ("sixtofour.example", &["2002:a00:1::"]),
    ("both.example", &["9.9.9.9", "127.0.0.1"]),
    ("both-turned.example", &["127.0.0.1", "9.9.9.9"]),
    ("zero.example", &["0.0.0.0"]),
    ("unique-local.example", &["fd12::1"]),
    ("127.0.0.1.nip.example", &["127.0.0.1"]),
];

/// Sends to a host by each kind of channel that takes a web address.
async fn sent(host: &str, limits: &Limits) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for scheme in ["https", "http"] {
        let url = format!("{scheme}://{host}/in");
        let kinds = [
            ("webhook", json!({ "url": url }), Credentials::none()),
            ("webhook", json!({ "url_secret": "a" }), credentials(&[("url", &url)])),
            ("slack", json!({ "url_secret": "a" }), credentials(&[("url", &url)])),
            ("teams", json!({ "url_secret": "a" }), credentials(&[("url", &url)])),
            ("pagerduty", json!({ "url": url, "routing_key_secret": "a" }), credentials(&[("routing_key", "r-key")])),
        ];
        for (kind, settings, credentials) in kinds {
            outcomes.push(match open(kind, &settings, credentials, limits) {
                Ok(channel) => channel.send(&warning(), Duration::from_secs(2)).await,
                // Not even opened.
                Err(error) => Outcome::Refused { because: keywheel::rotation::Because::new(error.code(), "", "") },
            });
        }
    }
    Ok(outcomes)
}

fn is_refused(outcome: &Outcome) -> bool {
    matches!(code(outcome).as_str(), "refused address-forbidden" | "refused channel-setting-invalid")
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_at_the_second_look_is_not_followed() -> Result<()> {
    let allowed = Receiver::at("127.0.0.2:0".parse()?, None).await?;
    let port = allowed.address.port();
    let forbidden = Receiver::at(format!("127.0.0.1:{port}").parse()?, None).await?;
    let resolver = Scripted::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let limits = Limits {
        allow: vec!["127.0.0.2/32".parse()?],
        resolver: Arc::clone(&resolver) as Arc<dyn keywheel::notify::Resolve>,
        ..Limits::default()
    };
    let settings = json!({ "url": format!("http://rebinding.example:{port}/in") });
    let channel = open("webhook", &settings, Credentials::none(), &limits)?;
    allowed.script([Say::BytesAndClose(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec())]);
    assert_eq!(code(&channel.send(&warning(), LIMIT).await), "delivered");
    assert_eq!((resolver.asked(), allowed.connections()), (1, 1));
    assert_eq!(code(&channel.send(&warning(), LIMIT).await), "refused address-forbidden");
    assert_eq!((resolver.asked(), allowed.connections(), forbidden.connections()), (2, 1, 0));
    Ok(())
}

#[tokio::test]
async fn a_channel_opens_networks_only_where_the_configuration_permits_it() -> Result<()> {
    let receiver = Receiver::start().await?;
    let settings = json!({ "url": receiver.url("/"), "allow": ["127.0.0.1/32"] });
    let refused = open("webhook", &settings, Credentials::none(), &Limits::default()).err().expect("refused");
    assert!(refused.to_string().contains("names 127.0.0.1/32"), "{refused}");
    let limits = Limits { may_allow: vec!["127.0.0.0/8".parse()?], ..Limits::default() };
    let silent = json!({ "url": receiver.url("/") });
    let outcome = open("webhook", &silent, Credentials::none(), &limits)?.send(&warning(), LIMIT).await;
    assert_eq!(code(&outcome), "refused address-forbidden");
    assert!(outcome.because().is_some_and(|because| because.hint.contains("127.0.0.1/32")), "{outcome:?}");
    assert_eq!(
        code(&open("webhook", &settings, Credentials::none(), &limits)?.send(&warning(), LIMIT).await),
        "delivered"
    );
    assert_eq!(receiver.connections(), 1);
    Ok(())
}

#[tokio::test]
async fn the_environment_names_no_proxy() -> Result<()> {
    // A proxy of the environment would get every request; the guard would then check the proxy's address alone.
    let (proxy, receiver) = (Receiver::start().await?, Receiver::start().await?);
    let program = std::env::current_exe()?;
    let ran = tokio::process::Command::new(program)
        .args(["--exact", "notify::addresses::sends_once_to_the_named_receiver", "--ignored"])
        .env("HTTP_PROXY", proxy.url("/"))
        .env("http_proxy", proxy.url("/"))
        .env("ALL_PROXY", proxy.url("/"))
        .env("KEYWHEEL_TEST_RECEIVER", receiver.url("/in"))
        .output()
        .await?;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    assert_eq!((proxy.connections(), receiver.received().len()), (0, 1));
    Ok(())
}

#[tokio::test]
#[ignore = "a part of the_environment_names_no_proxy"]
async fn sends_once_to_the_named_receiver() -> Result<()> {
    let settings = json!({ "url": std::env::var("KEYWHEEL_TEST_RECEIVER")? });
    let channel = open("webhook", &settings, Credentials::none(), &local())?;
    assert_eq!(code(&channel.send(&warning(), LIMIT).await), "delivered");
    Ok(())
}

#[tokio::test]
async fn mail_and_logs_go_to_one_s_own_network_and_never_to_a_metadata_service() -> Result<()> {
    let mail = |host: &str| json!({ "host": host, "port": 1, "from": "a@example.org", "to": ["b@example.org"] });
    let logs = |host: &str| json!({ "host": host, "port": 1, "tls": false });
    for host in ["169.254.169.254", "224.0.0.1", "0.0.0.0", "fd00:ec2::254", "::ffff:169.254.169.254"] {
        for (kind, settings) in [("email", mail(host)), ("syslog", logs(host)), ("cef", logs(host))] {
            let channel = open(kind, &settings, Credentials::none(), &Limits::default())?;
            let outcome = channel.send(&warning(), LIMIT).await;
            assert_eq!(code(&outcome), "refused address-forbidden", "{kind} {host}");
        }
    }
    let near = open("syslog", &logs("127.0.0.1"), Credentials::none(), &Limits::default())?;
    assert_eq!(code(&near.send(&warning(), LIMIT).await), "again connect-failed");
    let mut clear = mail("mail.example");
    clear["tls"] = json!("none");
    let limits = Limits { resolver: Scripted::new(&[&["10.0.0.1"]]), ..Limits::default() };
    let outcome = open("email", &clear, Credentials::none(), &limits)?.send(&warning(), LIMIT).await;
    assert_eq!(code(&outcome), "refused address-forbidden");
    Ok(())
}

mod proofs {
    use super::*;
    use crate::support::proof::Proof;

    #[tokio::test]
    async fn no_way_to_write_an_address_leads_to_a_forbidden_one() -> Result<()> {
        let proof = Proof::begin("61", "hosts refused, 0 connections made");
        let receivers = [Receiver::start().await?, Receiver::at("[::1]:0".parse()?, None).await?];
        let mut refused = 0;
        for receiver in &receivers {
            let port = receiver.address.port().to_string();
            for host in LITERALS {
                let outcomes = sent(&host.replace("PORT", &port), &Limits::default()).await?;
                assert!(outcomes.iter().all(is_refused), "{host}: {outcomes:?}");
                refused += 1;
            }
            for (name, answers) in NAMES {
                let limits = Limits { resolver: Scripted::new(&[answers]), ..Limits::default() };
                let outcomes = sent(&format!("{name}:{port}"), &limits).await?;
                assert!(outcomes.iter().all(is_refused), "{name}: {outcomes:?}");
                refused += 1;
            }
            assert_eq!(receiver.connections(), 0);
        }
        proof.end(refused, 2 * (LITERALS.len() + NAMES.len()) as u64)
    }
}
