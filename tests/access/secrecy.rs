//! The text of a token stands in the answer to its making and nowhere else.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::world::{Surface, distant};
use crate::{
    support::daemon::Daemon,
    told::scan::{files, prove_absent},
};

#[tokio::test]
async fn an_idempotency_key_is_refused_where_a_token_is_made() -> Result<()> {
    let surface = Surface::new().await;
    let owner = keywheel::http::Peer::Unix { uid: 0 };
    let (key, body) = ([("idempotency-key", "k-1")], json!({ "read": ["a"] }));
    let refused = surface.ask(owner, "POST", "/api/v1/tokens", &key, Some(body)).await?;
    ensure!((refused.status, refused.code()) == (400, "idempotency-key-refused"), "{refused:?}");
    let listed = surface.own("GET", "/api/v1/tokens", None).await?;
    ensure!(listed.body["items"].as_array().is_some_and(Vec::is_empty), "{listed:?}");
    let token = surface.token(&["a"], "1d").await?;
    let path = format!("/api/v1/tokens/{}", token.id);
    let revoked = surface.ask(owner, "DELETE", &path, &key, None).await?;
    ensure!(revoked.status == 200, "other writes take a key: {revoked:?}");
    Ok(())
}

#[tokio::test]
async fn what_was_given_for_an_id_is_not_repeated() -> Result<()> {
    let surface = Surface::new().await;
    let token = surface.token(&["a"], "1d").await?.text;
    let answer = surface.own("GET", &format!("/api/v1/tokens/{token}"), None).await?;
    ensure!((answer.status, answer.code()) == (400, "id-invalid"), "{answer:?}");
    ensure!(!answer.body.to_string().contains(&token), "{answer:?}");
    for path in ["/api/v1/secrets/b", "/api/v1/status"] {
        let headers = [("authorization", format!("Bearer {token}"))];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = surface.ask(distant(), "GET", path, &headers, None).await?;
        ensure!(answer.status == 403 && !answer.body.to_string().contains(&token), "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_printed_alone_and_stands_in_no_log_file_or_list() -> Result<()> {
    let daemon = Daemon::start("[log]\nlevel = \"trace\"\n").await?;
    let create = ["token", "create", "--read", "billing/*", "web", "--ttl", "30d", "--name", "billing"];
    let made = daemon.cli_ok(&create, None).await?;
    let token = made.stdout.trim_end().to_owned();
    ensure!(made.stdout.lines().count() == 1 && token.len() == 52 && token.starts_with("kw_"), "{made}");
    ensure!(!made.stderr.contains(&token) && made.stderr.contains("reads billing/*, web until"), "{made}");
    let json = daemon.cli_ok(&["token", "create", "--read", "*", "--output", "json"], None).await?.json()?;
    let other = json["token"].as_str().context("a token")?.to_owned();
    let id = json["id"].as_str().context("an id")?.to_owned();
    let mut said = Vec::new();
    for arguments in [
        &["token", "list"][..],
        &["token", "list", "--output", "json"],
        &["token", "show", &id],
        &["token", "show", &token],
        &["token", "revoke", &id, "--reason", "a test"],
        &["token", "revoke", &id],
        &["events", "--output", "json"],
        &["status"],
    ] {
        let output = daemon.cli(arguments, None).await?;
        said.push((arguments[..2.min(arguments.len())].join(" "), format!("{output}").into_bytes()));
    }
    let text = |place: usize| String::from_utf8_lossy(&said[place].1).into_owned();
    ensure!(text(0).contains("billing/*, web") && text(0).contains("live"), "{}", text(0));
    ensure!(text(3).contains("id-invalid") && text(4).contains("is revoked"), "{} {}", text(3), text(4));
    ensure!(text(6).contains("token.created") && text(6).contains("token.revoked"), "{}", text(6));
    said.extend(files(daemon.folder())?);
    let looked = prove_absent(&[token, other], &said)?;
    ensure!(looked > 20, "{looked}");
    Ok(())
}
