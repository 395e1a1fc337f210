//! Mails as the daemon itself delivers them, written to `target/mails` to be looked at.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use chrono::{TimeDelta, Utc};
use serde_json::json;

use crate::support::{
    daemon::{Daemon, PATIENCE, api::segment},
    mail::{Mail, Smtp},
    wait::eventually,
};

const CONFIG: &str = "public_url = \"https://keys.example.org\"\n[notify]\nallow = [\"127.0.0.0/8\"]\n";

async fn track(daemon: &Daemon, name: &str, ahead: TimeDelta) -> Result<()> {
    let about = json!({
        "expires_at": (Utc::now() + ahead).to_rfc3339(), "owner": "web-team", "tags": { "stage": "production" },
        "ladder": { "mode": "fixed", "rungs": ["5s", "1s"] },
    });
    daemon
        .ask("PUT", &format!("/tracked/{}", segment(name).replace(' ', "%20")), Some(&json!({ "about": about })))
        .await
        .map(drop)
}

async fn arrived(smtp: &mut Smtp, words: &str) -> Result<Mail> {
    let look = async || smtp.mails().await.ok()?.into_iter().find(|mail| mail.header("subject").contains(words));
    eventually(PATIENCE, &format!("a mail of `{words}`"), look).await
}

fn keep(name: &str, mail: &Mail) -> Result<()> {
    ensure!(mail.all_defects().is_empty(), "{:?}", mail.all_defects());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mails");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(format!("{name}.html")), mail.part("text/html")).context("write the mail")?;
    std::fs::write(folder.join(format!("{name}.txt")), mail.part("text/plain")).context("write the mail")
}

#[tokio::test]
async fn a_warning_and_a_digest_arrive_as_the_daemon_sends_them() -> Result<()> {
    let (daemon, mut smtp) = (Daemon::start(CONFIG).await?, Smtp::start(&["none"]).await?);
    let settings = json!({
        "host": "127.0.0.1", "port": smtp.port, "tls": "none", "from": "Keywheel <keywheel@example.org>",
        "to": ["Web Team <web@example.org>"], "subject_prefix": "[keywheel]",
    });
    daemon.ask("PUT", "/channels/mail", Some(&json!({ "kind": "email", "settings": settings }))).await?;
    track(&daemon, "domain example.org", TimeDelta::seconds(12)).await?;
    keep("told-warning", &arrived(&mut smtp, "expires in").await?)?;
    keep("told-expired", &arrived(&mut smtp, "expired at").await?)?;
    track(&daemon, "domain example.org", TimeDelta::days(400)).await?;
    keep("told-resolved", &arrived(&mut smtp, "Resolved: ").await?)?;
    for n in 0..24 {
        track(&daemon, &format!("edge/certificate-{n:02}.example.org"), TimeDelta::milliseconds(12_000 + 10 * n))
            .await?;
    }
    let digest = arrived(&mut smtp, "credentials expire").await?;
    keep("told-digest", &digest)?;
    let text = digest.part("text/plain");
    ensure!(text.contains("edge/certificate-") && text.contains("https://keys.example.org/ui/"), "{text}");
    Ok(())
}
