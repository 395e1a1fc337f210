//! What most proofs stand in: a daemon that keeps accounts of a PostgreSQL server of the test's own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use super::daemon::Daemon;
use super::oracle::{self, Verdict};
use super::postgres::{ADMIN_PASSWORD, PostgresServer};
use super::proxy::Proxy;
use super::shared::SharedStore;

/// A daemon that does nothing by itself but what was asked for: no probes, no long sleeps, no ballast.
pub(crate) const QUIET: &str = "[engine]\nlongest_sleep = \"1s\"\nprobe_every = \"off\"\nballast = \"0\"\n\
                                step_deadline = \"5s\"\nverify_for = \"10s\"\n";

/// The value that accounts are adopted with.
pub(crate) const FIRST: &str = "first-password-7d1e";

/// The password of a second role before its first turn.
pub(crate) const STALE: &str = "stale-password-90c2";

/// How long a rotation may take to come to its end after whatever happened.
pub(crate) const SETTLING: Duration = Duration::from_secs(50);

/// A daemon, a server, and the accounts between them.
pub(crate) struct Scene {
    pub(crate) server: Arc<PostgresServer>,
    pub(crate) daemon: Daemon,
    /// Roles that log in and are not this daemon's.
    pub(crate) known: Vec<String>,
    /// The store, where it is not the SQLite file of the daemon.
    pub(crate) store: Option<SharedStore>,
}

/// Starts a server without standing in the way of the runtime.
pub(crate) async fn start_server() -> Result<Arc<PostgresServer>> {
    let started = tokio::task::spawn_blocking(PostgresServer::start).await;
    Ok(Arc::new(started.context("start a PostgreSQL server")?))
}

impl Scene {
    /// A server, a proxy before it, and a daemon that reaches the target `pg` through the proxy.
    pub(crate) async fn behind_proxy(config: &str) -> Result<(Self, Proxy)> {
        let server = start_server().await?;
        let proxy = Proxy::start((Ipv4Addr::LOCALHOST, server.port()).into()).await?;
        let port = proxy.address().port();
        Ok((Self::before(server, port, config).await?, proxy))
    }

    /// A server and a daemon with the target `pg`; no account yet.
    pub(crate) async fn start(config: &str) -> Result<Self> {
        let server = start_server().await?;
        let port = server.port();
        Self::before(server, port, config).await
    }

    /// The same before a server that is there, reached at a port of its own or of a proxy.
    pub(crate) async fn before(server: Arc<PostgresServer>, port: u16, config: &str) -> Result<Self> {
        let daemon = Daemon::start(config).await?;
        let scene = Self { server, daemon, known: Vec::new(), store: None };
        scene.add_target("pg", port).await?;
        Ok(scene)
    }

    /// Adds a target at a port of this host, with the superuser as its admin.
    pub(crate) async fn add_target(&self, name: &str, port: u16) -> Result<()> {
        let admin = format!("{name}/admin");
        self.daemon.put_secret(&admin, json!({ "username": "postgres", "password": ADMIN_PASSWORD })).await?;
        let settings = json!({ "host": "127.0.0.1", "port": port, "connect_timeout": "3s" });
        self.daemon.put_target(name, settings, &admin).await.map(drop)
    }

    /// The address of the server.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server.port()).into()
    }

    /// Makes a login role and adopts it at the target `pg` by strategy `single`.
    pub(crate) async fn adopt_single(&self, role: &str) -> Result<()> {
        self.server.sql(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD '{FIRST}'"));
        let settings = json!({ "strategy": "single", "role": role });
        self.adopt("pg", role, settings, role).await.map(drop)
    }

    /// Makes a login role and adopts it as the admin of a target of its own, named as the role.
    pub(crate) async fn adopt_self_managed(&self, role: &str, port: u16) -> Result<()> {
        self.server.sql(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD '{FIRST}'"));
        self.daemon.put_secret(role, json!({ "username": role, "password": FIRST })).await?;
        let settings = json!({ "host": "127.0.0.1", "port": port, "connect_timeout": "3s" });
        self.daemon.put_target(role, settings, role).await?;
        let settings = json!({ "strategy": "single", "role": role, "self_managed": true });
        self.adopt(role, role, settings, role).await.map(drop)
    }

    /// Whether psql gets in with the value that is served.
    pub(crate) async fn served_logs_in(&self, name: &str) -> Result<bool> {
        let value = self.daemon.value_of(name, "").await?;
        let field = |key: &str| value[key].as_str().with_context(|| format!("a value without `{key}`"));
        Ok(self.server.accepts(field("username")?, field("password")?))
    }

    /// The same by a login of another client, which costs less.
    pub(crate) async fn served_works(&self, name: &str) -> Result<bool> {
        let value = self.daemon.value_of(name, "").await?;
        let field = |key: &str| value[key].as_str().with_context(|| format!("a value without `{key}`"));
        let options = PgConnectOptions::new().host("127.0.0.1").port(self.server.port()).database("postgres");
        let options = options.username(field("username")?).password(field("password")?).ssl_mode(PgSslMode::Disable);
        match options.connect().await {
            Ok(session) => session.close().await.map(|()| true).context("end a session"),
            Err(sqlx::Error::Database(refusal)) if refusal.code().as_deref() == Some("28P01") => Ok(false),
            Err(other) => Err(other).context("neither accepted nor refused"),
        }
    }

    /// Makes two login roles below an owner and adopts the first by strategy `alternate`, without an overlap.
    pub(crate) async fn adopt_alternate(&self, name: &str) -> Result<()> {
        let (first, second, owner) = (format!("{name}_a"), format!("{name}_b"), format!("{name}_owner"));
        self.server.sql(&format!(
            "CREATE ROLE {owner}; CREATE ROLE {first} LOGIN PASSWORD '{FIRST}' IN ROLE {owner}; \
             CREATE ROLE {second} LOGIN PASSWORD '{STALE}' IN ROLE {owner}"
        ));
        let settings = json!({ "strategy": "alternate", "roles": [first, second], "owner": owner });
        self.adopt("pg", name, settings, &first).await.map(drop)
    }

    /// Adopts what the settings say, with the role's first password.
    pub(crate) async fn adopt(&self, target: &str, name: &str, settings: Value, role: &str) -> Result<Value> {
        let body = json!({
            "target": target, "settings": settings, "value": { "username": role, "password": FIRST },
            "acknowledge": ACKNOWLEDGED, "about": { "overlap": "0s" },
        });
        self.daemon.adopt(name, &body).await
    }

    /// The oracle's word on a daemon at rest.
    pub(crate) async fn judge(&self) -> Result<Verdict> {
        self.judge_with(&[]).await
    }

    /// The same with more options of the oracle.
    pub(crate) async fn judge_with(&self, more: &[&str]) -> Result<Verdict> {
        let url = format!("postgres://postgres:{ADMIN_PASSWORD}@127.0.0.1:{}/postgres", self.server.port());
        let mut options: Vec<&str> = self.known.iter().flat_map(|role| ["--known", role]).collect();
        let store = self.store.as_ref().map(SharedStore::url);
        options.extend(store.iter().flat_map(|url| ["--store", url]));
        options.extend(more);
        oracle::judge(&self.daemon, &url, &options).await
    }

    /// Waits until nothing runs, and has the oracle find nothing.
    pub(crate) async fn settle_and_prove(&self) -> Result<Verdict> {
        self.daemon.settle(SETTLING).await?;
        let verdict = self.judge().await?;
        verdict.prove_sound().with_context(|| self.daemon.stderr())?;
        Ok(verdict)
    }
}

/// What an account without overlap and without a delivery gives up.
pub(crate) const ACKNOWLEDGED: &[&str] = &["no-overlap", "no-delivery", "self-managed-no-second-admin"];
