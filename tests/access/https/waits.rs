//! A listener without a usable certificate: the daemon runs, says so loudly, and serves as soon as there is one.

use anyhow::{Result, ensure};
use serde_json::json;

use super::world::{CERTIFICATE, Served};
use crate::support::{daemon::PATIENCE, wait::eventually};

impl Served {
    async fn until_state(&self, state: &str) -> Result<()> {
        eventually(PATIENCE, state, async || {
            (self.daemon.status().await.ok()?["https"]["state"] == state).then_some(())
        })
        .await
    }
}

#[tokio::test]
async fn a_daemon_without_a_certificate_runs_says_so_and_serves_when_there_is_one() -> Result<()> {
    let mut served = Served::waiting().await?;
    let status = served.daemon.cli(&["status"], None).await?;
    ensure!(status.code() == 5 && status.stdout.contains("IS NOT SERVED: no secret is named"), "{status}");
    let doctor = served.daemon.cli(&["doctor"], None).await?;
    ensure!(doctor.code() == 5 && doctor.stdout.contains("is not served"), "{doctor}");
    ensure!(served.daemon.stderr().contains("HTTPS IS NOT SERVED"), "{}", served.daemon.stderr());
    ensure!(served.connect().await.is_err());
    served.show(7).await?;
    let status = served.daemon.cli(&["status"], None).await?;
    let place = format!("https         {} by `{CERTIFICATE}`, valid until 2099-01-01", served.address);
    ensure!(status.code() == 0 && status.stdout.contains(&place), "{status}");
    served.daemon.restart().await?;
    let status = served.daemon.status().await?;
    ensure!(status["https"]["state"] == "serves", "it serves as soon as it is ready: {status}");
    let told = served.daemon.stderr().matches("HTTPS IS NOT SERVED").count();
    ensure!(told == 1, "it is told when it changes: {told}");
    Ok(())
}

#[tokio::test]
async fn the_private_key_stands_in_no_log() -> Result<()> {
    let served = Served::waiting().await?;
    let fields = served.authority.issue(9)?;
    served.put(fields.clone()).await?;
    served.until_state("serves").await?;
    let key = fields["private_key"].as_str().unwrap_or_default();
    let body: String = key.lines().filter(|line| !line.starts_with("---")).take(1).collect();
    ensure!(body.len() > 40);
    let status = served.daemon.status().await?.to_string();
    ensure!(!served.daemon.stderr().contains(&body) && !status.contains(&body));
    Ok(())
}

mod proofs {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_shown_takes_nothing_away() -> Result<()> {
        let served = Served::start().await?;
        let other = served.authority.issue(3)?;
        for fields in
            [json!({ "value": "canary" }), json!({ "private_key": "canary", "certificate": other["certificate"] }), {
                let mut mixed = served.authority.issue(4)?;
                mixed["private_key"] = other["private_key"].clone();
                mixed
            }]
        {
            served.put(fields).await?;
            served.until_state("stale").await?;
            ensure!(served.serial().await? == 1);
            let status = served.daemon.cli(&["status"], None).await?;
            ensure!(status.code() == 5 && status.stdout.contains("SHOWS AN OLDER CERTIFICATE"), "{status}");
            ensure!(!status.stdout.contains("canary") && !served.daemon.stderr().contains("canary"), "{status}");
            served.show(5).await?;
            served.until_state("serves").await?;
            served.show(1).await?;
        }
        served.daemon.cli_ok(&["secret", "delete", CERTIFICATE], None).await?;
        served.until_state("stale").await?;
        ensure!(served.serial().await? == 1);
        served.daemon.cli_ok(&["secret", "undelete", CERTIFICATE], None).await?;
        served.until_state("serves").await
    }
}
