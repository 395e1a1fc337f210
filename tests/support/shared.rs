//! Daemons whose store is a database of the target's server: several can share one, and it can be put back.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::daemon::Daemon;
use super::postgres::{ADMIN_PASSWORD, PostgresServer};
use super::scene::{QUIET, Scene};

/// [`QUIET`], with a claim that a replica need not wait for long.
pub(crate) fn quick() -> String {
    QUIET.replace("[engine]\nlongest_sleep = \"1s\"", "[engine]\nclaim = \"1s\"\nlongest_sleep = \"5s\"")
}

/// A store in a database, and how daemons are told of it.
#[derive(Clone)]
pub(crate) struct SharedStore {
    server: Arc<PostgresServer>,
    database: String,
    port: u16,
    config: String,
}

impl SharedStore {
    /// Makes the database. Daemons reach it at `port`, the server's own or a proxy's.
    pub(crate) fn make(server: &Arc<PostgresServer>, database: &str, port: u16, config: &str) -> Self {
        server.sql(&format!("CREATE DATABASE {database}"));
        let (server, database, config) = (Arc::clone(server), database.to_owned(), config.to_owned());
        Self { server, database, port, config }
    }

    /// Its address, past any proxy.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.server.port())
    }

    /// The address of its server.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server.port()).into()
    }

    fn url_at(&self, port: u16) -> String {
        format!("postgres://postgres:{ADMIN_PASSWORD}@127.0.0.1:{port}/{}", self.database)
    }

    /// Runs statements in it.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.server.sql_in(&self.database, sql)
    }

    /// The daemon that initialises it, and serves.
    pub(crate) async fn first(&self) -> Result<Daemon> {
        let mut daemon = self.configured()?;
        daemon.init().await?;
        daemon.serve().await?;
        Ok(daemon)
    }

    /// One more daemon, with the master key of another one.
    pub(crate) async fn replica_of(&self, other: &Daemon) -> Result<Daemon> {
        let mut daemon = self.configured()?;
        fs::create_dir(daemon.data()).context("make a data directory")?;
        fs::set_permissions(daemon.data(), fs::Permissions::from_mode(0o700))?;
        private(&daemon.data().join("master.key"), &fs::read(other.data().join("master.key"))?)?;
        daemon.serve().await?;
        Ok(daemon)
    }

    fn configured(&self) -> Result<Daemon> {
        let daemon = Daemon::new("")?;
        let url = daemon.folder().join("store.url");
        private(&url, self.url_at(self.port).as_bytes())?;
        let store = format!("[store]\nkind = \"postgres\"\nurl_file = \"{}\"\n", url.display());
        daemon.write_config(&format!("{store}{}", self.config))?;
        Ok(daemon)
    }

    /// Keeps every row as it is. No daemon may run.
    pub(crate) fn keep(&self) {
        self.sql(&format!("CREATE SCHEMA kept; {}", each_table("CREATE TABLE kept.%1$I AS TABLE public.%1$I")));
    }

    /// Puts every row back as it was kept. No daemon may run; what a dead one left at the server is ended first.
    pub(crate) fn put_back(&self) {
        self.sql(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        let (empty, fill) = ("TRUNCATE public.%1$I CASCADE", "INSERT INTO public.%1$I TABLE kept.%1$I");
        self.sql(&format!("SET session_replication_role = replica; {}; {}", each_table(empty), each_table(fill)));
    }
}

impl Scene {
    /// A daemon whose store is a database, with the target `pg` at a port of a server.
    pub(crate) async fn on_postgres(server: Arc<PostgresServer>, store: SharedStore, port: u16) -> Result<Self> {
        let daemon = store.first().await?;
        let scene = Self { server, daemon, known: Vec::new(), store: Some(store) };
        scene.add_target("pg", port).await?;
        Ok(scene)
    }

    /// A second daemon on the same store.
    pub(crate) async fn replica(&self) -> Result<Daemon> {
        self.store.as_ref().context("the store is a file")?.replica_of(&self.daemon).await
    }
}

/// A statement for each of the store's tables, whose name is `%1$I`.
fn each_table(statement: &str) -> String {
    format!(
        "DO $$ DECLARE name text; BEGIN \
         FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename LOOP \
         EXECUTE format('{statement}', name); END LOOP; END $$"
    )
}

fn private(path: &Path, text: &[u8]) -> Result<()> {
    fs::write(path, text).context("write a private file")?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).context("make it private")
}
