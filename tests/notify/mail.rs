//! What a mail looks like to an independent parser.

use std::time::Duration;

use anyhow::{Result, ensure};
use keywheel::notify::{Credentials, Outcome, Severity, State};
use serde_json::json;

use crate::support::mail::Smtp;

use super::world::{LIMIT, channel, code, credentials, digest, mail_settings, warning};

#[tokio::test]
async fn a_mail_tells_people_and_machines_what_they_need() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let mut settings = mail_settings(&smtp);
    settings["subject_prefix"] = json!("[keywheel]");
    settings["reply_to"] = json!("ops@example.org");
    let outcome = channel("email", &settings, Credentials::none())?.send(&warning(), LIMIT).await;
    assert_eq!(outcome, Outcome::Delivered { answer: "250 taken".to_owned() });
    let mail = smtp.mails().await?.remove(0);
    assert!(mail.all_defects().is_empty(), "{:?}", mail.all_defects());
    assert_eq!((mail.from.as_str(), mail.kind.as_str()), ("keywheel@example.org", "multipart/alternative"));
    assert_eq!(mail.header("subject"), "[keywheel] billing/db expires in 14 days");
    assert_eq!(mail.header("from"), "Keywheel <keywheel@example.org>");
    assert_eq!(mail.header("to"), "Web Team <web-team@example.org>");
    assert_eq!(mail.header("reply-to"), "ops@example.org");
    assert_eq!(mail.header("auto-submitted"), "auto-generated");
    assert_eq!(mail.header("list-id"), "keywheel expiry <expiry.keywheel.example.org>");
    assert_eq!(mail.header("date"), "Mon, 15 Feb 2027 12:00:00 +0000");
    for part in [mail.part("text/plain").to_owned(), mail.html()] {
        for expected in ["2027-03-01 12:00 UTC", "in 14 days", "web-team", "rotates it on", "Nothing, unless", "/sec_7"]
        {
            assert!(part.contains(expected), "{expected} lacks: {part}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn all_mails_of_a_version_stand_in_one_thread_and_a_repeat_has_the_same_id() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let channel = channel("email", &mail_settings(&smtp), Credentials::none())?;
    let mut resolved = warning();
    (resolved.id, resolved.state, resolved.severity) = ("ntc_2".to_owned(), State::Resolved, Severity::Info);
    let mut other = warning();
    (other.id, other.thread) = ("ntc_3".to_owned(), "sec_7/ver_4".to_owned());
    for message in [&warning(), &warning(), &resolved, &other] {
        assert_eq!(code(&channel.send(message, LIMIT).await), "delivered");
    }
    let mails = smtp.mails().await?;
    let each = |name: &str| mails.iter().map(|mail| mail.header(name).to_owned()).collect::<Vec<_>>();
    let (ids, roots) = (each("message-id"), each("references"));
    assert_eq!(ids[0], ids[1]);
    assert!(ids[1] != ids[2] && ids[0].ends_with("@example.org>"), "{ids:?}");
    assert_eq!((&roots[0], &roots[1]), (&roots[1], &roots[2]));
    assert_ne!(roots[2], roots[3]);
    assert_eq!(roots, each("in-reply-to"));
    assert!(mails[2].header("subject").starts_with("Resolved: "));
    Ok(())
}

#[tokio::test]
async fn ids_differ_between_channels_with_other_recipients() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let mut settings = mail_settings(&smtp);
    channel("email", &settings, Credentials::none())?.send(&warning(), LIMIT).await;
    settings["to"] = json!(["other@example.org"]);
    channel("email", &settings, Credentials::none())?.send(&warning(), LIMIT).await;
    let mails = smtp.mails().await?;
    assert_ne!(mails[0].header("message-id"), mails[1].header("message-id"));
    Ok(())
}

#[tokio::test]
async fn a_digest_lists_its_lines_and_counts_what_it_leaves_out() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let outcome = channel("email", &mail_settings(&smtp), Credentials::none())?.send(&digest(700), LIMIT).await;
    assert_eq!(code(&outcome), "delivered");
    let mail = smtp.mails().await?.remove(0);
    for part in [mail.part("text/plain").to_owned(), mail.html()] {
        assert!(part.contains("edge/cert-499") && !part.contains("edge/cert-500"), "{part}");
        assert!(part.contains("and 200 more"), "{part}");
    }
    Ok(())
}

#[tokio::test]
async fn an_operator_s_template_is_used_and_a_failing_one_is_told_of() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let mut settings = mail_settings(&smtp);
    settings["template_text"] =
        json!("{% if severity == 'error' %}{{ items[7].name }}{% else %}Mine: {{ owner }}{% endif %}");
    let channel = channel("email", &settings, Credentials::none())?;
    assert_eq!(code(&channel.send(&warning(), LIMIT).await), "delivered");
    let mut failing = warning();
    failing.severity = Severity::Error;
    let Outcome::Delivered { answer } = channel.send(&failing, LIMIT).await else { anyhow::bail!("not delivered") };
    ensure!(answer.contains("`template_text` failed (line 1: ") && answer.contains("built-in"), "{answer}");
    let mails = smtp.mails().await?;
    assert_eq!(mails[0].part("text/plain").trim(), "Mine: web-team");
    assert!(mails[1].part("text/plain").contains("billing/db expires in 14 days"));
    Ok(())
}

#[tokio::test]
async fn mails_go_over_starttls_and_implicit_tls_with_an_own_authority_and_a_login() -> Result<()> {
    for tls in ["starttls", "implicit"] {
        let mut smtp = Smtp::start(&[tls, "wheel", "pass word ä"]).await?;
        let mut settings = mail_settings(&smtp);
        settings["tls"] = json!(tls);
        settings["ca_pem"] = json!(smtp.authority);
        settings["username"] = json!("wheel");
        settings["password_secret"] = json!("smtp/relay");
        let send = async |settings: &serde_json::Value, password: &str| -> Result<String> {
            let channel = channel("email", settings, credentials(&[("password", password)]))?;
            Ok(code(&channel.send(&warning(), LIMIT).await))
        };
        assert_eq!(send(&settings, "pass word ä").await?, "delivered", "{tls}");
        assert_eq!(send(&settings, "wrong-password").await?, "again smtp-login-failed", "{tls}");
        settings["host"] = json!("127.0.0.2");
        assert_eq!(send(&settings, "pass word ä").await?, "again connect-failed", "{tls}");
        settings["host"] = json!("127.0.0.1");
        settings.as_object_mut().expect("a table").remove("ca_pem");
        let untrusted = send(&settings, "pass word ä").await?;
        assert!(untrusted.ends_with("smtp-tls-failed"), "{tls}: {untrusted}");
        assert_eq!(smtp.mails().await?.len(), 1, "{tls}");
    }
    Ok(())
}

#[tokio::test]
async fn a_relay_without_starttls_is_told_nothing() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let mut settings = mail_settings(&smtp);
    settings["tls"] = json!("starttls");
    let outcome = channel("email", &settings, Credentials::none())?.send(&warning(), Duration::from_secs(5)).await;
    assert_eq!(code(&outcome), "again smtp-no-starttls");
    assert!(smtp.mails().await?.is_empty());
    Ok(())
}
