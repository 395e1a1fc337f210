//! PostgreSQL reads its certificate through the link: renewed by a reload, without a restart.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::pair::prove_pair;
use super::world::{HOST, NAME, authorities};
use crate::support::daemon::Daemon;
use crate::support::daemon::api::segment;
use crate::support::nginx::presented_with;
use crate::support::postgres::PostgresServer;
use crate::support::wait::eventually;

const PLACE: &str = "db";

/// A server that can be told to speak TLS once there is a certificate, and how the daemon is told of it.
fn server() -> Result<(PostgresServer, String)> {
    let server = PostgresServer::start();
    let root = server.socket_folder().join("tls");
    std::fs::create_dir(&root)?;
    let current = root.join(PLACE).join("current");
    for (key, file) in [("ssl_cert_file", "fullchain.pem"), ("ssl_key_file", "key.pem")] {
        server.sql(&format!("ALTER SYSTEM SET {key} = '{}'", current.join(file).display()));
    }
    let argv = server.reload_command().iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let owner = PostgresServer::runs_as().map_or(String::new(), |id| format!("owner = \"{id}\"\ngroup = \"{id}\"\n"));
    let config = format!(
        "[engine]\nverify_for = \"10s\"\n[[install_root]]\nname = \"pg\"\npath = \"{}\"\n{owner}[[hook]]\nname = \
         \"pg-reload\"\nargv = [{argv}]\ntimeout = \"20s\"\n",
        root.display()
    );
    Ok((server, config))
}

async fn current(daemon: &Daemon) -> Result<String> {
    let value = daemon.value_of(NAME, "current").await?;
    Ok(value["certificate"].as_str().unwrap_or_default().to_owned())
}

/// Waits until a session of psql is encrypted.
async fn until_encrypted(server: &PostgresServer) -> Result<()> {
    let is_encrypted = async || {
        let seen = server.sql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
        (seen == "t").then_some(())
    };
    eventually(Duration::from_secs(20), "PostgreSQL speaks TLS", is_encrypted).await
}

async fn look_at(daemon: &Daemon, port: u16) -> Result<Value> {
    let probe = json!({ "address": format!("127.0.0.1:{port}"), "server_name": HOST, "starttls": "postgres" });
    let settings = json!({ "install": format!("pg/{PLACE}"), "reload": "pg-reload", "probes": [probe] });
    let body = json!({ "rotator": "certificate", "settings": settings, "admin": "internal" });
    daemon.ask("PUT", &format!("/targets/{}", segment(NAME)), Some(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_postgres_is_renewed_and_the_server_goes_on() -> Result<()> {
    let (server, config) = server()?;
    let daemon = Daemon::start(&config).await?;
    let ca = authorities(&daemon).await?;
    let issue = ["cert", "issue", NAME, "--ca", "internal", "--dns", HOST, "--reload", "pg-reload", "--install"];
    daemon.cli_ok(&[&issue[..], &[&format!("pg/{PLACE}")]].concat(), None).await?;
    server.sql("ALTER SYSTEM SET ssl = on");
    server.sql("SELECT pg_reload_conf()");
    until_encrypted(&server).await?;
    let seen = || presented_with(&["-starttls", "postgres"], server.port(), HOST, &ca);
    let first = current(&daemon).await?;
    ensure!(seen()? == first, "PostgreSQL presents another certificate");
    let started = server.sql("SELECT pg_postmaster_start_time()");
    look_at(&daemon, server.port()).await?;
    for _ in 0..3 {
        let before = current(&daemon).await?;
        daemon.cli_ok(&["rotate", NAME, "--wait", "--acknowledge", "cuts-overlap"], None).await?;
        let now = current(&daemon).await?;
        ensure!(now != before && seen()? == now, "the renewed one is not presented: {}", server.log());
        let folder = server.socket_folder().join("tls").join(PLACE).join("current");
        ensure!(prove_pair(&folder, &ca)?.trim() == now.trim(), "the disk has another certificate");
    }
    until_encrypted(&server).await?;
    ensure!(server.sql("SELECT pg_postmaster_start_time()") == started, "it was started again");
    Ok(())
}
