//! A daemon, an authority, and nginx.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::daemon::api::segment;
use crate::support::nginx::{Nginx, presented};

pub(crate) const NAME: &str = "web/shop";
pub(crate) const HOST: &str = "shop.example.org";

/// Verification gives up soon, so that a test sees the way back.
const ENGINE: &str = "[engine]\nverify_for = \"4s\"\n";

pub(crate) struct World {
    pub(crate) daemon: Daemon,
    pub(crate) nginx: Nginx,
    pub(crate) ca: PathBuf,
}

/// Makes a root and an intermediate `internal` for `example.org`; answers where the root is exported to.
pub(crate) async fn authorities(daemon: &Daemon) -> Result<PathBuf> {
    daemon.cli_ok(&["ca", "create", "root", "--common-name", "Example Root"], None).await?;
    daemon.cli_ok(&["ca", "create", "internal", "--parent", "root", "--permit", "example.org"], None).await?;
    let ca = daemon.folder().join("ca.pem");
    daemon.cli_ok(&["ca", "export", "internal", "--file", &ca.display().to_string()], None).await?;
    Ok(ca)
}

impl World {
    /// A root `root`, an intermediate `internal`, and nginx on so many ports; `more` is more of the configuration.
    pub(crate) async fn begin(listeners: usize, more: &str) -> Result<Self> {
        Self::around(Nginx::prepare(listeners)?, ENGINE, more).await
    }

    /// The same around an nginx that does not run yet, with the table `engine` of the configuration.
    pub(crate) async fn around(nginx: Nginx, engine: &str, more: &str) -> Result<Self> {
        let daemon = Daemon::start(&format!("{engine}{}{more}", nginx.config())).await?;
        Self::with(daemon, nginx).await
    }

    /// The same with a daemon that serves already.
    pub(crate) async fn with(daemon: Daemon, nginx: Nginx) -> Result<Self> {
        let ca = authorities(&daemon).await?;
        Ok(Self { daemon, nginx, ca })
    }

    /// A probe of each of its ports.
    pub(crate) fn probes(&self) -> Vec<Value> {
        let probe = |port: &u16| json!({ "address": format!("127.0.0.1:{port}"), "server_name": HOST });
        self.nginx.ports.iter().map(probe).collect()
    }

    /// Asks for the certificate as a person would, and waits until it is served.
    pub(crate) async fn issue(&self, more: &[&str]) -> Result<()> {
        let probes: Vec<String> = self.nginx.ports.iter().map(|port| format!("127.0.0.1:{port};name={HOST}")).collect();
        let mut words = vec!["cert", "issue", NAME, "--ca", "internal", "--dns", HOST];
        words.extend(["--install", "nginx/shop", "--reload", "nginx", "--check", "nginx-check"]);
        words.extend(probes.iter().flat_map(|probe| ["--probe", probe.as_str()]));
        words.extend(more);
        self.daemon.cli_ok(&words, None).await?;
        Ok(())
    }

    /// What an independent client is presented at a port, verified by the exported authority.
    pub(crate) fn presented(&self, port: u16) -> Result<String> {
        presented(port, HOST, &self.ca).with_context(|| self.nginx.log())
    }

    /// The certificate that every port presents; an error where they differ.
    pub(crate) fn served(&self) -> Result<String> {
        let seen = self.nginx.ports.iter().map(|port| self.presented(*port)).collect::<Result<Vec<_>>>()?;
        ensure!(seen.iter().all(|one| *one == seen[0]), "the ports differ");
        Ok(seen[0].clone())
    }

    /// The certificate that keywheel serves as current.
    pub(crate) async fn current(&self) -> Result<String> {
        let value = self.daemon.value_of(NAME, "current").await?;
        Ok(value["certificate"].as_str().context("a certificate")?.to_owned())
    }

    /// Renews, and waits for its end.
    pub(crate) async fn renew(&self) -> Result<i32> {
        let words = ["rotate", NAME, "--wait", "--acknowledge", "cuts-overlap"];
        Ok(self.daemon.cli(&words, None).await?.code())
    }

    pub(crate) async fn put_target(&self, settings: Value) -> Result<Value> {
        let body = json!({ "rotator": "certificate", "settings": settings, "admin": "internal" });
        self.daemon.ask("PUT", &format!("/targets/{}", segment(NAME)), Some(&body)).await
    }
}
