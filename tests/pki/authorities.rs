//! Authorities: their certificates are judged by openssl, their keys are not answered, their lists tell of revocations.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::pair::{openssl, path};
use super::world::{HOST, World};
use crate::support::http::{Request, ask_socket};

#[tokio::test]
async fn a_signed_request_verifies_and_its_revocation_is_on_the_list() -> Result<()> {
    let world = World::begin(0, "").await?;
    let folder = world.daemon.folder();
    let (key, csr, pem) = (folder.join("a.key"), folder.join("a.csr"), folder.join("a.pem"));
    let subject = ["-subj", "/", "-addext", "subjectAltName=DNS:a.example.org"];
    let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
    openssl(&[&new[..], &[&path(&key), "-out", &path(&csr)], &subject[..]].concat())?;
    let words = ["cert", "sign", "internal", "--csr", &path(&csr), "--lifetime", "7d", "--file", &path(&pem)];
    world.daemon.cli_ok(&words, None).await?;
    openssl(&["verify", "-CAfile", &path(&world.ca), "-untrusted", &path(&pem), &path(&pem)])?;
    let serial = openssl(&["x509", "-in", &path(&pem), "-noout", "-serial"])?;
    let serial = serial.trim().trim_start_matches("serial=").to_owned();
    world.daemon.cli_ok(&["cert", "revoke", &serial, "--because", "key-compromise"], None).await?;
    let crl = folder.join("a.crl");
    world.daemon.cli_ok(&["ca", "crl", "internal", "--file", &path(&crl)], None).await?;
    let listed = openssl(&["crl", "-in", &path(&crl), "-noout", "-text"])?;
    ensure!(listed.to_uppercase().contains(&serial.to_uppercase()) && listed.contains("Key Compromise"), "{listed}");
    let again = world.daemon.cli(&["cert", "revoke", &serial], None).await?;
    ensure!(again.code() == 1 && again.stderr.contains("[already-revoked]"), "{again}");
    Ok(())
}

#[tokio::test]
async fn names_outside_the_constraints_and_lives_beyond_the_authority_are_refused() -> Result<()> {
    let world = World::begin(0, "").await?;
    let sign = ["cert", "sign", "internal", "--dns"];
    let outside = world.daemon.cli(&[&sign[..], &["a.example.net"]].concat(), None).await?;
    ensure!(outside.code() == 2 && outside.stderr.contains("example.net"), "{outside}");
    let long = world.daemon.cli(&[&sign[..], &["a.example.org", "--lifetime", "7300d"]].concat(), None).await?;
    ensure!(long.code() == 2 && long.stderr.contains("authority"), "{long}");
    Ok(())
}

#[tokio::test]
async fn an_authority_s_key_is_never_answered_and_never_put() -> Result<()> {
    let world = World::begin(0, "").await?;
    let read = world.daemon.cli(&["secret", "get", "internal"], None).await?;
    ensure!(read.code() == 4 && read.stderr.contains("[key-kept]"), "{read}");
    let put = world.daemon.cli(&["secret", "put", "internal", "-"], Some(b"{\"private_key\":\"x\"}")).await?;
    ensure!(put.code() == 1 && put.stderr.contains("[kind-not-put]"), "{put}");
    let taken = world.daemon.cli(&["ca", "create", "internal"], None).await?;
    ensure!(taken.code() == 1 && taken.stderr.contains("[name-taken]"), "{taken}");
    Ok(())
}

#[tokio::test]
async fn a_private_key_that_is_answered_is_kept_nowhere() -> Result<()> {
    let world = World::begin(0, "").await?;
    let path = "/api/v1/authorities/internal/certificates";
    let body = json!({ "names": [HOST] });
    let bytes = body.to_string().into_bytes();
    let headers = &[("content-type", "application/json"), ("idempotency-key", "k-1")];
    let request = Request { method: "POST", path, headers, body: Some(&bytes) };
    let refused = ask_socket(&world.daemon.socket(), &request).await?;
    ensure!(refused.status == 400 && refused.text().contains("idempotency-key-refused"), "{}", refused.text());
    let issued = world.daemon.ask("POST", "/authorities/internal/certificates", Some(&body)).await?;
    let key = issued["private_key"].as_str().context("a key")?;
    let line = key.lines().nth(1).context("its first line")?;
    let file = world.daemon.store();
    let mut store = std::fs::read(&file)?;
    store.extend(std::fs::read(format!("{}-wal", file.display()))?);
    ensure!(!store.windows(line.len()).any(|part| part == line.as_bytes()), "the key stands in the store");
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_is_refused_leaves_no_target_behind() -> Result<()> {
    let world = World::begin(0, "").await?;
    let words = ["cert", "issue", "web/other", "--ca", "internal", "--dns", "other.example.net"];
    let refused = world.daemon.cli(&words, None).await?;
    ensure!(refused.code() == 1 && refused.stderr.contains("[preflight-blocked]"), "{refused}");
    let targets = world.daemon.ask("GET", "/targets", None).await?;
    ensure!(targets["items"] == json!([]), "{targets}");
    Ok(())
}

#[tokio::test]
async fn an_exported_pkcs12_file_is_read_by_openssl() -> Result<()> {
    let world = World::begin(0, "").await?;
    world.daemon.cli_ok(&["cert", "issue", "job/a", "--ca", "internal", "--dns", "job.example.org"], None).await?;
    let file = world.daemon.folder().join("job.p12");
    let words = ["cert", "export", "job/a", "--format", "pkcs12", "--password", "-", "--file", &path(&file)];
    world.daemon.cli_ok(&words, Some(b"let me in")).await?;
    let read = openssl(&["pkcs12", "-in", &path(&file), "-passin", "pass:let me in", "-nodes"])?;
    ensure!(read.contains("BEGIN PRIVATE KEY") && read.matches("BEGIN CERTIFICATE").count() >= 2, "{read}");
    let inspected =
        world.daemon.cli_ok(&["cert", "inspect", &path(&file), "--password", "-"], Some(b"let me in")).await?;
    ensure!(inspected.stdout.contains("job.example.org"), "{inspected}");
    Ok(())
}
