//! Secrets are fetched over HTTPS: by curl, by a library, by the command line.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use super::world::Served;
use crate::support::http::{Request, ask};

async fn served() -> Result<Served> {
    let served = Served::start().await?;
    served.daemon.put_secret("billing/db", json!({ "password": "s3cret" })).await?;
    served.daemon.put_secret("shop/db", json!({ "password": "other" })).await?;
    Ok(served)
}

#[tokio::test]
async fn curl_fetches_a_value_with_a_token() -> Result<()> {
    let served = served().await?;
    let token = served.token(&["billing/*"]).await?;
    let folder = tempfile::tempdir()?;
    let (ca, header) = (folder.path().join("ca.pem"), folder.path().join("header"));
    std::fs::write(&ca, &served.authority.pem)?;
    std::fs::write(&header, format!("Authorization: Bearer {token}\n"))?;
    let curl = async |path: &str| {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*", "--cacert"])
            .arg(&ca)
            .args(["--header", &format!("@{}", header.display()), "--write-out", "\n%{http_code}"])
            .arg(served.url(path))
            .output()
            .await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let (body, status) = text.rsplit_once('\n').context("a status")?;
        Ok::<_, anyhow::Error>((status.to_owned(), serde_json::from_str::<Value>(body)?))
    };
    let (status, body) = curl("/api/v1/secrets/billing%2Fdb/value").await?;
    ensure!(status == "200" && body["value"]["password"] == "s3cret", "{status} {body}");
    let (status, body) = curl("/api/v1/secrets/shop%2Fdb/value").await?;
    ensure!(status == "403" && body["code"] == "denied", "{status} {body}");
    let (status, body) = curl("/healthz").await?;
    ensure!(status == "200" && body["status"] == "ready", "{status} {body}");
    let (status, body) = curl("/metrics").await?;
    ensure!(status == "403" && body["code"] == "denied", "{status} {body}");
    Ok(())
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_no_older_name_is_trusted() -> Result<()> {
    let served = served().await?;
    let token = served.token(&["billing/db"]).await?;
    let bearer = format!("Bearer {token}");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let stream = served.connect_by(&[version]).await?;
        ensure!(stream.get_ref().1.protocol_version() == Some(version.version), "{version:?}");
        let headers = &[("authorization", bearer.as_str())];
        let path = "/api/v1/secrets/billing%2Fdb/value";
        let answer = ask(stream, &Request { method: "GET", path, headers, body: None }).await?;
        ensure!(answer.status == 200 && answer.header("cache-control") == Some("no-store"), "{}", answer.text());
    }
    let client = served.client(1)?;
    let answer = client.get(served.url("/api/v1/secrets")).bearer_auth(&token).send().await?;
    let page: Value = answer.json().await?;
    ensure!(page["secrets"].as_array().is_some_and(|lines| lines.len() == 1), "{page}");
    let elsewhere = format!("https://127.0.0.2:{}/healthz", served.address.port());
    ensure!(client.get(elsewhere).send().await.is_err(), "the name is checked");
    Ok(())
}

#[tokio::test]
async fn tokens_and_certificate_survive_new_keys_and_a_restart() -> Result<()> {
    let mut served = served().await?;
    let token = served.token(&["billing/*"]).await?;
    served.daemon.cli_ok(&["keys", "rotate", "--roots"], None).await?;
    served.daemon.cli_ok(&["keys", "rotate"], None).await?;
    let later = served.token(&["billing/*"]).await?;
    for round in 0..2 {
        for token in [&token, &later] {
            let url = served.url("/api/v1/secrets/billing%2Fdb/value");
            let answer = served.client(0)?.get(url).bearer_auth(token).send().await?;
            ensure!(answer.status() == 200, "{round}: {}", answer.status());
        }
        served.daemon.restart().await?;
        let status = served.daemon.status().await?;
        served.address = status["https"]["address"].as_str().context("it listens")?.parse()?;
    }
    Ok(())
}

#[tokio::test]
async fn the_command_line_reads_with_address_token_and_authority() -> Result<()> {
    let served = served().await?;
    let token = served.token(&["billing/*"]).await?;
    let folder = tempfile::tempdir()?;
    let (ca, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    std::fs::write(&ca, &served.authority.pem)?;
    std::fs::write(&other, super::world::Authority::new()?.pem)?;
    let (url, ca, other) = (served.url(""), ca.display().to_string(), other.display().to_string());
    let trusted = [("KEYWHEEL_ADDR", url.as_str()), ("KEYWHEEL_TOKEN", &token), ("KEYWHEEL_CACERT", &ca)];
    let get = ["secret", "get", "billing/db", "--field", "password"];
    let read = served.far(&get, &trusted).await?;
    ensure!(read.code() == 0 && read.stdout.trim_end() == "s3cret", "{read}");
    let listed = served.far(&["secret", "list"], &trusted).await?;
    ensure!(listed.stdout.contains("billing/db") && !listed.stdout.contains("shop/db"), "{listed}");
    for arguments in [&["secret", "get", "shop/db"][..], &["token", "list"], &["status"]] {
        let denied = served.far(arguments, &trusted).await?;
        ensure!(denied.code() == 4 && denied.stderr.contains("[denied]"), "{arguments:?}: {denied}");
    }
    for (name, file) in [("another authority", Some(other.as_str())), ("the host's authorities", None)] {
        let env: Vec<(&str, &str)> =
            trusted[..2].iter().copied().chain(file.map(|file| ("KEYWHEEL_CACERT", file))).collect();
        let refused = served.far(&get, &env).await?;
        ensure!(refused.code() == 1 && refused.stderr.contains("[daemon-unreachable]"), "{name}: {refused}");
        ensure!(refused.stderr.contains("KEYWHEEL_CACERT") && !refused.stdout.contains("s3cret"), "{name}: {refused}");
    }
    let unread = served.far(&get, &[trusted[0], trusted[1], ("KEYWHEEL_CACERT", "/nowhere.pem")]).await?;
    ensure!(unread.code() == 2 && unread.stderr.contains("[cacert-unreadable]"), "{unread}");
    // On the daemon's host the socket goes before it where the folder is named.
    let own =
        [("KEYWHEEL_ADDR", "https://localhost:1"), ("KEYWHEEL_DATA_DIR", &*served.daemon.data().display().to_string())]
            .map(|(name, value)| (name, value.to_owned()));
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let read = served.far(&get, &own).await?;
    ensure!(read.code() == 0 && read.stdout.trim_end() == "s3cret", "{read}");
    Ok(())
}
