//! Certificates of somebody else, made by openssl, in a folder that is a scan root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::daemon::Daemon;
use crate::support::daemon::api::segment;

/// What is on the first line of a private key.
pub(crate) const KEY_MARKER: &str = "PRIVATE KEY-----";

pub(crate) fn openssl(arguments: &[&str]) -> Result<String> {
    let output = Command::new("openssl").args(arguments).output().context("run openssl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "openssl {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A folder that is a scan root, and an authority beside it.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    pub(crate) fn new() -> Result<Self> {
        let files = Self { folder: tempfile::Builder::new().prefix("kwscan").tempdir()? };
        fs::create_dir(files.root())?;
        let subject = ["-subj", "/CN=Elsewhere CA", "-days", "3000"];
        let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let (key, pem) = (text(&files.beside("ca.key")), text(&files.beside("ca.pem")));
        openssl(&[&new[..], &["-keyout", &key, "-out", &pem], &subject[..]].concat())?;
        Ok(files)
    }

    /// The scan root.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The part of the configuration file.
    pub(crate) fn config(&self) -> String {
        format!("[[scan_root]]\nname = \"etc\"\npath = \"{}\"\n", self.root().display())
    }

    /// A path in the root.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// A path outside the root.
    pub(crate) fn beside(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Makes a certificate for a name, of so many days: `NAME.pem` and `NAME.key` outside the root.
    pub(crate) fn make(&self, name: &str, days: u32) -> Result<PathBuf> {
        let [key, csr, pem, ext] = ["key", "csr", "pem", "ext"].map(|end| self.beside(&format!("{name}.{end}")));
        let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/"];
        openssl(&[&new[..], &["-keyout", &text(&key), "-out", &text(&csr)]].concat())?;
        let extensions = "basicConstraints=CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid";
        fs::write(&ext, format!("subjectAltName=DNS:{name}\n{extensions}\n"))?;
        let (ca, ca_key, days) = (text(&self.beside("ca.pem")), text(&self.beside("ca.key")), days.to_string());
        let signing = ["x509", "-req", "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", &days];
        let files = ["-in", &text(&csr), "-extfile", &text(&ext), "-out", &text(&pem)];
        openssl(&[&signing[..], &files[..]].concat())?;
        Ok(pem)
    }

    /// Makes a certificate and puts it in the root.
    pub(crate) fn put(&self, path: &str, name: &str, days: u32) -> Result<()> {
        fs::copy(self.make(name, days)?, self.at(path)).context("copy a certificate")?;
        Ok(())
    }
}

/// Scans, and answers the report.
pub(crate) async fn scan(daemon: &Daemon, words: &[&str]) -> Result<Value> {
    daemon.cli(&[&["cert", "scan", "--output", "json"], words].concat(), None).await?.json()
}

/// The lines of a report as `PLACE STANDING`, by place.
pub(crate) fn told(report: &Value) -> Vec<String> {
    let lines = report["certificates"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines: Vec<String> =
        lines.map(|line| format!("{} {}", text(&line["place"]), text(&line["standing"]))).collect();
    lines.sort();
    lines
}

/// The kinds of the events of a secret, oldest first.
pub(crate) async fn events(daemon: &Daemon, name: &str) -> Result<Vec<String>> {
    let page = daemon.ask("GET", &format!("/events?subject={}&limit=100", segment(name)), None).await?;
    let items = page["items"].as_array().context("a page of events")?;
    Ok(items.iter().rev().filter_map(|event| event["kind"].as_str()).map(str::to_owned).collect())
}
