//! Relays that refuse, stall and break off.

use std::time::{Duration, Instant};

use anyhow::Result;
use keywheel::notify::{Credentials, Outcome};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::support::mail::Smtp;

use super::world::{LIMIT, channel, code, mail_settings, warning};

/// How the server behaves, how the attempt ends, and whether the mail was taken.
const FAILURES: &[(&str, &str, usize)] = &[
    ("greet-554", "again smtp-not-greeted", 0),
    ("mail-451", "again smtp-451", 0),
    ("mail-550", "refused smtp-550", 0),
    ("rcpt-451", "again smtp-recipients-later", 0),
    ("rcpt-550", "refused smtp-recipients-refused", 0),
    ("hang-rcpt", "again smtp-time-limit", 0),
    ("cut-rcpt", "again smtp-broken-off", 0),
    ("data-451", "again smtp-451", 0),
    ("data-550", "refused smtp-550", 0),
    ("cut-data", "again smtp-broken-off", 0),
    ("dot-451", "again smtp-451", 0),
    ("dot-550", "refused smtp-550", 0),
    ("hang-dot", "unknown smtp-time-limit", 1),
    ("cut-dot", "unknown smtp-answer-lost", 1),
];

#[tokio::test]
async fn a_connection_that_went_stale_is_replaced_before_anything_is_handed_over() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let channel = channel("email", &mail_settings(&smtp), Credentials::none())?;
    for _ in 0..3 {
        assert_eq!(code(&channel.send(&warning(), LIMIT).await), "delivered");
    }
    assert_eq!(smtp.count("connections").await?, 1);
    smtp.drop_connections().await?;
    assert_eq!(code(&channel.send(&warning(), LIMIT).await), "delivered");
    assert_eq!((smtp.count("connections").await?, smtp.mails().await?.len()), (2, 4));
    Ok(())
}

#[tokio::test]
async fn recipients_who_are_refused_are_named_and_those_who_have_the_mail_do_not_get_it_again() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let mut settings = mail_settings(&smtp);
    settings["to"] = json!(["web@example.org", "later@example.org", "nobody@example.org"]);
    let channel = channel("email", &settings, Credentials::none())?;
    smtp.mode("mixed").await?;
    let first = channel.send(&warning(), LIMIT).await;
    assert_eq!(code(&first), "again smtp-recipients-later");
    let sentence = &first.because().expect("a reason").sentence;
    assert!(sentence.contains("later@example.org (451") && sentence.contains("nobody@example.org (550"), "{sentence}");
    smtp.mode("ok").await?;
    let Outcome::Delivered { answer } = channel.send(&warning(), LIMIT).await else { anyhow::bail!("not delivered") };
    assert!(answer.contains("refused for nobody@example.org (550"), "{answer}");
    let mails = smtp.mails().await?;
    let recipients: Vec<_> = mails.iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(recipients, [["web@example.org"], ["later@example.org"]]);
    assert_eq!(mails[0].header("message-id"), mails[1].header("message-id"));
    Ok(())
}

/// Reads a line of a client.
async fn heard(lines: &mut BufReader<tokio::net::TcpStream>) -> Result<String> {
    let mut line = String::new();
    lines.read_line(&mut line).await?;
    Ok(line)
}

#[tokio::test]
async fn what_is_appended_in_the_clear_behind_starttls_is_not_taken_for_the_relay_s_word() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let attacker = tokio::spawn(async move {
        let mut client = BufReader::new(listener.accept().await?.0);
        client.write_all(b"220 relay\r\n").await?;
        let _hello = heard(&mut client).await?;
        client.write_all(b"250-relay\r\n250 STARTTLS\r\n").await?;
        let _starttls = heard(&mut client).await?;
        client.write_all(b"220 go on\r\n250-relay\r\n250 AUTH LOGIN\r\n").await?;
        let mut after = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut client, &mut after).await?;
        anyhow::Ok(after)
    });
    let settings = json!({ "host": "127.0.0.1", "port": port, "from": "a@example.org", "to": ["b@example.org"] });
    let outcome = channel("email", &settings, Credentials::none())?.send(&warning(), Duration::from_secs(5)).await;
    assert_eq!(code(&outcome), "again smtp-tls-failed");
    // The client's hello and an alert of TLS: handshake and alert records, and no command in the clear.
    let after = attacker.await??;
    assert!(after.first() == Some(&22) && !after.windows(4).any(|window| window == b"EHLO"), "{after:?}");
    Ok(())
}

#[tokio::test]
async fn a_relay_that_never_ends_its_line_is_cut_off() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let babbler = tokio::spawn(async move {
        let mut client = listener.accept().await?.0;
        let mut said = 0_usize;
        while client.write_all(&[b'2'; 8_192]).await.is_ok() {
            said += 8_192;
        }
        anyhow::Ok(said)
    });
    let settings = json!({
        "host": "127.0.0.1", "port": port, "tls": "none", "from": "a@example.org", "to": ["b@example.org"],
    });
    let outcome = channel("email", &settings, Credentials::none())?.send(&warning(), LIMIT).await;
    assert_eq!(code(&outcome), "again smtp-broken-off");
    assert!(babbler.await?? < 64 << 20);
    Ok(())
}

mod proofs {
    use super::*;
    use crate::support::proof::{Proof, count};

    /// Each failure, then the same notice again over the same channel as the engine would send it.
    #[tokio::test]
    async fn a_failing_relay_costs_no_mail_and_at_most_one_repeat_for_each_lost_answer() -> Result<()> {
        let proof = Proof::begin("47", "failing relays survived");
        let mut smtp = Smtp::start(&["none"]).await?;
        let rounds = count(3, 100);
        let mut survived = 0;
        let mut expected = 0;
        for round in 0..rounds {
            for (mode, ends, taken) in FAILURES {
                let channel = channel("email", &mail_settings(&smtp), Credentials::none())?;
                let mut message = warning();
                message.id = format!("ntc_{round}_{mode}");
                smtp.mode(mode).await?;
                let limit = if mode.starts_with("hang") { Duration::from_millis(400) } else { LIMIT };
                let started = Instant::now();
                assert_eq!(&code(&channel.send(&message, limit).await), ends, "{mode}");
                assert!(started.elapsed() < limit + Duration::from_secs(2), "{mode} took {:?}", started.elapsed());
                smtp.mode("ok").await?;
                if !ends.starts_with("refused") {
                    assert_eq!(code(&channel.send(&message, LIMIT).await), "delivered", "{mode}");
                }
                expected += taken + usize::from(!ends.starts_with("refused"));
                survived += 1;
            }
        }
        let mails = smtp.mails().await?;
        assert_eq!(mails.len(), expected);
        let mut ids: Vec<&str> = mails.iter().map(|mail| mail.header("message-id")).collect();
        ids.sort_unstable();
        ids.dedup();
        let told = FAILURES.iter().filter(|(_, ends, _)| !ends.starts_with("refused")).count() as u64;
        assert_eq!(ids.len() as u64, rounds * told);
        proof.end(survived, rounds * FAILURES.len() as u64)
    }
}
