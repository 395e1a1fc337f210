//! What every kind of channel keeps, whatever it speaks.

use std::time::{Duration, Instant};

use anyhow::Result;
use base64::Engine as _;
use keywheel::notify::{Channel, Credentials, KINDS, Outcome};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;

use crate::support::mail::Smtp;
use crate::support::receiver::{Receiver, Say};
use crate::support::wait::canary;

use super::world::{LIMIT, channel, code, credentials, digest, mail_settings, warning};

/// A kind of channel that leads to a port of the loopback, with a credential that occurs nowhere else.
fn opened(kind: &str, port: u16, secret: &str) -> Result<Arc<dyn Channel>> {
    let url = format!("http://127.0.0.1:{port}/{secret}");
    let plain = format!("http://127.0.0.1:{port}/");
    let (settings, credentials): (Value, Credentials) = match kind {
        "email" => (
            json!({ "host": "127.0.0.1", "port": port, "tls": "none", "from": "a@example.org", "to": ["b@example.org"],
                    "username": "wheel", "password_secret": "x" }),
            credentials(&[("password", secret)]),
        ),
        "webhook" => (
            json!({ "url": plain, "signing_secret": "x", "bearer_secret": "y" }),
            credentials(&[("signing", &format!("{secret}-signing")), ("bearer", secret)]),
        ),
        "slack" | "teams" => (json!({ "url_secret": "x" }), credentials(&[("url", &url)])),
        "pagerduty" => (json!({ "url": plain, "routing_key_secret": "x" }), credentials(&[("routing_key", secret)])),
        _ => (json!({ "host": "127.0.0.1", "port": port }), Credentials::none()),
    };
    channel(kind, &settings, credentials)
}

fn is_http(kind: &str) -> bool {
    matches!(kind, "webhook" | "slack" | "teams" | "pagerduty")
}

#[tokio::test]
async fn nobody_at_home_means_again_and_a_silent_host_ends_at_the_time_limit() -> Result<()> {
    for kind in KINDS {
        let port = crate::support::wait::free_port()?;
        let absent = opened(kind, port, &canary())?.send(&warning(), LIMIT).await;
        assert_eq!(code(&absent), "again connect-failed", "{kind}");
        let silent = TcpListener::bind("127.0.0.1:0").await?;
        let (limit, started) = (Duration::from_millis(300), Instant::now());
        let outcome = opened(kind, silent.local_addr()?.port(), &canary())?.send(&warning(), limit).await;
        assert!(started.elapsed() < limit * 5, "{kind} took {:?}", started.elapsed());
        // A log has no answer: what was written counts.
        let is_log = matches!(*kind, "syslog" | "cef");
        assert_eq!(matches!(outcome, Outcome::Delivered { .. }), is_log, "{kind}: {outcome:?}");
    }
    Ok(())
}

#[tokio::test]
async fn no_outcome_and_no_error_tells_a_credential() -> Result<()> {
    for kind in KINDS {
        let secret = canary();
        let encoded = base64::engine::general_purpose::STANDARD.encode(&secret);
        let echo = format!("you sent {secret} and {encoded}");
        let receiver = Receiver::start().await?;
        receiver.script([Say::with(200, "", &echo), Say::with(400, "", &echo), Say::with(500, "", &echo), Say::Close]);
        let channel = opened(kind, receiver.address.port(), &secret)?;
        for _ in 0..4 {
            let outcome = channel.send(&warning(), Duration::from_millis(400)).await;
            let told = format!("{outcome:?}");
            assert!(!told.contains(&secret) && !told.contains(&encoded), "{kind}: {told}");
        }
        let elsewhere = opened(kind, crate::support::wait::free_port()?, &secret)?.send(&warning(), LIMIT).await;
        assert!(!format!("{elsewhere:?}").contains(&secret), "{kind}: {elsewhere:?}");
    }
    for kind in ["slack", "teams"] {
        let secret = canary();
        let hostile = credentials(&[("url", &format!("nonsense {secret}"))]);
        let error = channel(kind, &json!({ "url_secret": "x" }), hostile).err().expect("refused");
        assert!(!format!("{error:#?}").contains(&secret), "{error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_password_that_the_relay_repeats_is_masked() -> Result<()> {
    let secret = canary();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let word = secret.clone();
    let relay = tokio::spawn(async move {
        use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
        let mut client = BufReader::new(listener.accept().await?.0);
        let mut line = String::new();
        client.write_all(b"220 relay\r\n").await?;
        client.read_line(&mut line).await?;
        client.write_all(b"250-relay\r\n250 AUTH PLAIN\r\n").await?;
        client.read_line(&mut line).await?;
        client.write_all(format!("535 wrong password {word}\r\n").as_bytes()).await?;
        anyhow::Ok(())
    });
    let outcome = opened("email", port, &secret)?.send(&warning(), LIMIT).await;
    assert_eq!(code(&outcome), "again smtp-login-failed");
    assert!(
        outcome.because().is_some_and(|because| because.sentence.contains("wrong password ********")),
        "{outcome:?}"
    );
    relay.await??;
    Ok(())
}

#[tokio::test]
async fn a_huge_message_is_delivered_shortened() -> Result<()> {
    let long = "ä€𝄞 \"<&|=]\\ ".repeat(20_000);
    let mut message = digest(2_000);
    message.summary.clone_from(&long);
    (message.subject, message.owner, message.thread) = (long.clone(), long.clone(), long.clone());
    message.detail = vec![(long.clone(), long.clone()); 100];
    message.items.iter_mut().for_each(|item| item.sentence.clone_from(&long));
    let receiver = Receiver::start().await?;
    let sink = TcpListener::bind("127.0.0.1:0").await?;
    let port = sink.local_addr()?.port();
    let sinking = tokio::spawn(async move {
        while let Ok((mut stream, _)) = sink.accept().await {
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
        }
    });
    for kind in KINDS.iter().filter(|kind| **kind != "email") {
        let to = if is_http(kind) { receiver.address.port() } else { port };
        let outcome = opened(kind, to, "long-secret-text")?.send(&message, LIMIT).await;
        assert_eq!(code(&outcome), "delivered", "{kind}: {outcome:?}");
    }
    sinking.abort();
    let mut smtp = Smtp::start(&["none"]).await?;
    let outcome = channel("email", &mail_settings(&smtp), Credentials::none())?.send(&message, LIMIT).await;
    assert_eq!(code(&outcome), "delivered");
    let mail = smtp.mails().await?.remove(0);
    assert!(mail.part("text/plain").contains("long texts were shortened") && mail.part("text/html").contains("…"));
    assert!(receiver.received().iter().all(|one| one.body.len() <= 512 << 10));
    Ok(())
}

#[tokio::test]
async fn settings_say_which_secrets_they_need_and_an_absent_one_is_named() -> Result<()> {
    let cases = [
        (
            "email",
            json!({ "host": "h", "from": "a@b.de", "to": ["c@d.de"], "username": "u", "password_secret": "s" }),
            "password",
            false,
        ),
        ("webhook", json!({ "url": "https://h/", "signing_secret": "s" }), "signing", true),
        ("slack", json!({ "url_secret": "s" }), "url", false),
        ("teams", json!({ "url_secret": "s" }), "url", false),
        ("pagerduty", json!({ "routing_key_secret": "s" }), "routing_key", false),
    ];
    for (kind, settings, field, wants_previous) in cases {
        let checked = keywheel::notify::check(kind, &settings)?;
        let found: Vec<_> = checked
            .references
            .iter()
            .map(|one| (one.field.as_str(), one.secret.as_str(), one.wants_previous))
            .collect();
        assert_eq!(found, [(field, "s", wants_previous)], "{kind}");
        let error = channel(kind, &settings, Credentials::none()).err().expect("refused");
        assert!(format!("{error:#}").contains(&format!("`{field}_secret` is not there")), "{error:#}");
    }
    for kind in KINDS {
        let error = keywheel::notify::check(kind, &json!({ "nonsense": "canary" })).expect_err("refused");
        assert!(!error.hint().is_empty() && !error.to_string().contains("canary"), "{kind}: {error}");
        assert!(keywheel::notify::check(kind, &json!("canary")).is_err());
    }
    Ok(())
}
