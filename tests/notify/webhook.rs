//! Webhooks: signatures that others verify, and receivers that stall, lie, redirect and break off.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use base64::Engine as _;
use keywheel::model::Material;
use keywheel::notify::{Credentials, Outcome};
use serde_json::{Value, json};

use crate::support::daemon::python;
use crate::support::mail::certified;
use crate::support::receiver::{Received, Receiver, Say};

use super::world::{LIMIT, channel, code, credentials, digest, warning};

const CURRENT: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PREVIOUS: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn say(says: &[Say], limit: Duration) -> Result<(Outcome, Receiver)> {
    let receiver = Receiver::start().await?;
    receiver.script(says.iter().cloned());
    let channel = channel("webhook", &json!({ "url": receiver.url("/in") }), Credentials::none())?;
    Ok((channel.send(&warning(), limit).await, receiver))
}

fn headers(received: &Received) -> reqwest::header::HeaderMap {
    let pair = |(name, value): &(String, String)| Some((name.parse().ok()?, value.parse().ok()?));
    received.headers.iter().filter_map(pair).collect()
}

#[tokio::test]
async fn the_reference_library_verifies_the_signature_of_either_secret() -> Result<()> {
    let receiver = Receiver::start().await?;
    let settings = json!({ "url": receiver.url("/in"), "signing_secret": "hooks/billing" });
    let keys = credentials(&[("signing", CURRENT)]).with_previous("signing", Material::of_texts([("value", PREVIOUS)]));
    assert_eq!(code(&channel("webhook", &settings, keys)?.send(&warning(), LIMIT).await), "delivered");
    let received = receiver.received().remove(0);
    for secret in [CURRENT, PREVIOUS] {
        standardwebhooks::Webhook::new(secret)?.verify(&received.body, &headers(&received))?;
    }
    let stranger = standardwebhooks::Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")?;
    assert!(stranger.verify(&received.body, &headers(&received)).is_err());
    let changed = [&received.body[..], b" "].concat();
    assert!(standardwebhooks::Webhook::new(CURRENT)?.verify(&changed, &headers(&received)).is_err());
    Ok(())
}

#[tokio::test]
async fn python_verifies_the_signature_of_a_private_key() -> Result<()> {
    let receiver = Receiver::start().await?;
    let settings = json!({ "url": receiver.url("/in"), "signing_key_secret": "hooks/key" });
    let seed = base64::engine::general_purpose::STANDARD.encode([7_u8; 32]);
    let keys = credentials(&[("signing_key", &format!("whsk_{seed}"))]);
    assert_eq!(code(&channel("webhook", &settings, keys)?.send(&warning(), LIMIT).await), "delivered");
    let received = receiver.received().remove(0);
    let header = |name: &str| received.header(name).unwrap_or_default().to_owned();
    let judge = "import sys, base64
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
id, at, signature, body = sys.argv[1:]
version, _, text = signature.partition(',')
assert version == 'v1a', version
public = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32).public_key()
public.verify(base64.b64decode(text), f'{id}.{at}.{body}'.encode())";
    let body = String::from_utf8(received.body.clone())?;
    let judged = tokio::process::Command::new(python())
        .args(["-c", judge, &header("webhook-id"), &header("webhook-timestamp"), &header("webhook-signature"), &body])
        .output()
        .await?;
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    Ok(())
}

#[tokio::test]
async fn the_body_is_an_event_whose_id_is_that_of_the_webhook() -> Result<()> {
    let receiver = Receiver::start().await?;
    let settings = json!({ "url": receiver.url("/in?a=b"), "bearer_secret": "hooks/token" });
    let channel = channel("webhook", &settings, credentials(&[("bearer", "token-of-ours")]))?;
    assert_eq!(code(&channel.send(&warning(), LIMIT).await), "delivered");
    let received = receiver.received().remove(0);
    let event = received.json()?;
    assert_eq!(received.line, "POST /in?a=b HTTP/1.1");
    assert_eq!(received.header("content-type"), Some("application/cloudevents+json; charset=utf-8"));
    assert_eq!(received.header("authorization"), Some("Bearer token-of-ours"));
    assert_eq!((received.header("webhook-id"), event["id"].as_str()), (Some("ntc_01jd3c4m"), Some("ntc_01jd3c4m")));
    assert_eq!(event["specversion"], "1.0");
    assert_eq!((&event["type"], &event["source"]), (&json!("keywheel.expiry.warning"), &json!("/keywheel/root")));
    assert_eq!((&event["subject"], &event["time"]), (&json!("billing/db"), &json!("2027-02-15T12:00:00Z")));
    assert_eq!(event["data"]["tags"]["stage"], "production");
    let known = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
    ];
    let mut names: Vec<&str> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, known);
    Ok(())
}

#[tokio::test]
async fn connections_are_kept_between_sends_and_a_repeat_has_the_same_id() -> Result<()> {
    let receiver = Receiver::start().await?;
    let channel = channel("webhook", &json!({ "url": receiver.url("/") }), Credentials::none())?;
    receiver.script([Say::status(500)]);
    for expected in ["again http-500", "delivered", "delivered"] {
        assert_eq!(code(&channel.send(&warning(), LIMIT).await), expected);
    }
    assert_eq!(receiver.connections(), 1);
    let ids: Vec<_> = receiver.received().iter().map(|one| one.header("webhook-id").map(str::to_owned)).collect();
    assert!(ids.iter().all(|id| *id == ids[0]) && ids.len() == 3, "{ids:?}");
    Ok(())
}

#[tokio::test]
async fn a_receiver_behind_tls_is_trusted_by_its_authority_alone() -> Result<()> {
    let certified = certified().await?;
    let receiver = Receiver::start_secured(&certified).await?;
    let url = format!("https://127.0.0.1:{}/in", receiver.address.port());
    let trusting = json!({ "url": url, "ca_pem": certified.ca });
    assert_eq!(code(&channel("webhook", &trusting, Credentials::none())?.send(&warning(), LIMIT).await), "delivered");
    let not = channel("webhook", &json!({ "url": url }), Credentials::none())?.send(&warning(), LIMIT).await;
    assert_eq!(code(&not), "again connect-failed");
    assert_eq!(receiver.received().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_receiver_may_ask_for_time_in_seconds_or_by_a_date() -> Result<()> {
    let again = async |header: &str| -> Result<Option<Duration>> {
        match say(&[Say::with(429, header, "slow down")], LIMIT).await?.0 {
            Outcome::Again { not_before, .. } => Ok(not_before),
            other => anyhow::bail!("{other:?}"),
        }
    };
    assert_eq!(again("retry-after: 120\r\n").await?, Some(Duration::from_mins(2)));
    let later = (chrono::Utc::now() + chrono::TimeDelta::minutes(10)).format("%a, %d %b %Y %H:%M:%S GMT");
    let asked = again(&format!("retry-after: {later}\r\n")).await?.context("a time")?;
    assert!(asked > Duration::from_secs(500) && asked <= Duration::from_mins(10), "{asked:?}");
    assert_eq!(again("retry-after: soon\r\n").await?, None);
    Ok(())
}

#[tokio::test]
async fn a_large_digest_is_shortened_and_says_so() -> Result<()> {
    let receiver = Receiver::start().await?;
    let channel = channel("webhook", &json!({ "url": receiver.url("/") }), Credentials::none())?;
    let mut message = digest(600);
    message.items.iter_mut().for_each(|item| item.sentence = "\"".repeat(2_000));
    assert_eq!(code(&channel.send(&message, LIMIT).await), "delivered");
    let received = receiver.received().remove(0);
    assert!(received.body.len() <= 256 << 10);
    assert!(received.json()?["data"]["items_left_out"].as_u64() > Some(0));
    Ok(())
}

#[test]
fn settings_that_cannot_be_right_are_refused_with_a_hint_and_without_an_echo() {
    let cases: [(Value, &str, &str); 9] = [
        (json!({ "ulr": "https://a.example/canary" }), "unknown field `ulr`", "did you mean `url`?"),
        (json!({}), "both are missing", "give one of"),
        (json!({ "url": "https://a.example/", "url_secret": "x" }), "stands beside", "give one of"),
        (json!({ "url": "ftp://a.example/canary" }), "not a web address", "https://"),
        (json!({ "url": "http://a.example/" }), "", ""),
        (json!({ "url": "http://9.9.9.9/canary" }), "not encrypted", "https"),
        (json!({ "url": "https://user:canary@a.example/" }), "holds a user", "bearer_secret"),
        (json!({ "url": ["canary"] }), "`url` must be", "docs/channels.md"),
        (json!({ "url": "https://a.example/", "allow": ["canary"] }), "`allow` must be", "docs/channels.md"),
    ];
    for (settings, sentence, hint) in cases {
        let Err(error) = keywheel::notify::check("webhook", &settings) else {
            assert!(sentence.is_empty(), "{settings} was accepted");
            continue;
        };
        let told = format!("{error}");
        assert!(told.contains(sentence) && error.hint().contains(hint), "{told} / {}", error.hint());
        assert!(!told.contains("canary") && !error.hint().contains("canary"), "{told}");
    }
    let unknown = keywheel::notify::check("emial", &json!({})).expect_err("refused");
    assert_eq!((unknown.code(), unknown.hint().as_str()), ("channel-kind-unknown", "did you mean `email`?"));
}

mod proofs {
    use super::*;
    use crate::support::proof::{Proof, count};

    fn misbehaviours() -> Vec<(Say, &'static str)> {
        let redirect = |to: &str| Say::with(302, &format!("location: {to}\r\n"), "");
        vec![
            (Say::Silence, "unknown http-time-limit"),
            (Say::BytesAndHang(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec()), "unknown http-time-limit"),
            (Say::BytesAndHang(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab".to_vec()), "delivered"),
            (Say::BytesAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nab".to_vec()), "delivered"),
            (Say::Close, "unknown http-broken-off"),
            (Say::BytesAndClose(b"HTTP/1.1 200 O".to_vec()), "unknown http-broken-off"),
            (Say::BytesAndClose(b"SSH-2.0-not-http\r\n".to_vec()), "unknown http-broken-off"),
            (
                Say::BytesAndClose([b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'x'; 1 << 20]].concat()),
                "unknown http-broken-off",
            ),
            (Say::Endless, "delivered"),
            (Say::status(500), "again http-500"),
            (Say::status(503), "again http-503"),
            (Say::status(408), "again http-408"),
            (Say::status(425), "again http-425"),
            (Say::status(429), "again http-429"),
            (Say::status(400), "refused http-400"),
            (Say::status(401), "refused http-401"),
            (Say::status(404), "refused http-404"),
            (Say::status(410), "gone http-gone"),
            (redirect("http://127.0.0.1:1/latest/meta-data"), "refused http-redirect"),
            (redirect("/elsewhere"), "refused http-redirect"),
            (Say::with(307, "location: http://127.0.0.1:1/\r\n", ""), "refused http-redirect"),
            (Say::status(204), "delivered"),
            (Say::with(200, "content-encoding: gzip\r\n", "not gzip"), "delivered"),
        ]
    }

    #[tokio::test]
    async fn a_receiver_that_misbehaves_costs_bounded_time_and_memory() -> Result<()> {
        let proof = Proof::begin("48", "misbehaving receivers survived");
        let rounds = count(3, 100);
        let mut survived = 0;
        for _ in 0..rounds {
            for (say_this, expected) in misbehaviours() {
                let limit = Duration::from_millis(700);
                let started = Instant::now();
                let (outcome, receiver) = say(std::slice::from_ref(&say_this), limit).await?;
                assert_eq!(code(&outcome), expected, "{say_this:?} {outcome:?}");
                assert!(started.elapsed() < limit * 5, "{say_this:?} took {:?}", started.elapsed());
                assert_eq!((receiver.received().len(), receiver.connections()), (1, 1), "{say_this:?}");
                survived += 1;
            }
        }
        proof.end(survived, rounds * misbehaviours().len() as u64)
    }
}
