//! One mail of each class, written to `target/mails` to be looked at.

use std::path::Path;

use anyhow::Result;
use keywheel::notify::{Class, Credentials, Message, Severity, State};

use crate::support::mail::Smtp;

use super::world::{LIMIT, channel, code, digest, mail_settings, time, warning};

fn told(class: Class, kind: &str, severity: Severity, summary: &str, asked: &str) -> Message {
    Message {
        class,
        kind: kind.to_owned(),
        severity,
        summary: summary.to_owned(),
        asked: asked.to_owned(),
        expires_at: None,
        ..warning()
    }
}

fn examples() -> Vec<(&'static str, Message)> {
    let mut failed = told(
        Class::Rotation,
        "rotation.failed",
        Severity::Error,
        "billing/db could not be rotated: the target refused the new password",
        "See the password policy of postgres-main, then run `keywheel rotate billing/db`.",
    );
    failed.detail.push(("Answer".to_owned(), "42501: permission denied to alter role \"billing\"".to_owned()));
    let mut full = told(
        Class::Daemon,
        "daemon.store-full",
        Severity::Critical,
        "the store is full and takes no more writes",
        "Make room in /var/lib/keywheel.",
    );
    (full.subject, full.owner, full.will_do) =
        (String::new(), String::new(), "Rotations wait until there is room.".to_owned());
    let mut resolved = warning();
    (resolved.state, resolved.severity) = (State::Resolved, Severity::Info);
    "billing/db was rotated and version 4 is verified".clone_into(&mut resolved.summary);
    (resolved.asked, resolved.will_do) = (String::new(), String::new());
    let mut last = warning();
    (last.severity, last.expires_at) = (Severity::Critical, Some(time("2027-02-16T10:00:00Z")));
    "billing/db expires in 22 hours and its rotation is overdue".clone_into(&mut last.summary);
    "billing/a-very-long-name-without-any-blank-in-it-that-has-to-break-somewhere/in-the-middle-of-the-line/db"
        .clone_into(&mut last.subject);
    let alive = told(Class::Heartbeat, "heartbeat", Severity::Info, "keywheel is alive", "");
    let test = told(Class::Test, "channel.test", Severity::Info, "This is a test of the channel mail", "");
    vec![
        ("expiry", warning()),
        ("expiry-last", last),
        ("rotation", failed),
        ("daemon", full),
        ("digest", digest(12)),
        ("heartbeat", alive),
        ("test", test),
        ("resolved", resolved),
    ]
}

#[tokio::test]
async fn a_mail_of_each_class_stands_on_its_own() -> Result<()> {
    let mut smtp = Smtp::start(&["none"]).await?;
    let channel = channel("email", &mail_settings(&smtp), Credentials::none())?;
    for (_, message) in examples() {
        assert_eq!(code(&channel.send(&message, LIMIT).await), "delivered");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mails");
    std::fs::create_dir_all(&folder)?;
    for ((name, message), mail) in examples().iter().zip(smtp.mails().await?) {
        let (text, html) = (mail.part("text/plain"), mail.part("text/html"));
        std::fs::write(folder.join(format!("{name}.html")), html)?;
        std::fs::write(folder.join(format!("{name}.txt")), text)?;
        assert!(text.contains(&message.summary), "{name}: {text}");
        for outside in ["<img", "<link", "<script", "<style", "@import", "url(", "src="] {
            assert!(!html.contains(outside), "{name} holds {outside}");
        }
        assert!(html.contains("style=\"") && !text.contains("\n\n\n"), "{name}: {text}");
    }
    Ok(())
}
