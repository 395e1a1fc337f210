//! An SMTP server that fails on demand, as a process of its own, and a certificate for the loopback.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::daemon::{PATIENCE, python};

/// A mail as an independent parser reads it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Mail {
    /// The sender of the envelope.
    pub(crate) from: String,
    /// The recipients of the envelope.
    pub(crate) to: Vec<String>,
    /// Name, value and defects.
    pub(crate) headers: Vec<(String, String, Vec<String>)>,
    pub(crate) parts: Vec<Part>,
    /// The content type of the whole.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) defects: Vec<String>,
    /// The bytes in base64.
    pub(crate) raw: String,
}

/// A part of a mail.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Part {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) defects: Vec<String>,
}

impl Mail {
    /// The value of a header that occurs one time.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(known, ..)| known.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (Some((_, value, _)), None) => value,
            (None, _) => "",
            _ => "(twice)",
        }
    }

    /// The text of the part of a type.
    pub(crate) fn part(&self, kind: &str) -> &str {
        self.parts.iter().find(|part| part.kind == kind).map_or("", |part| &part.text)
    }

    /// The HTML with slashes as slashes; templates escape them too.
    pub(crate) fn html(&self) -> String {
        self.part("text/html").replace("&#x2f;", "/")
    }

    /// Everything that the parser found wrong.
    pub(crate) fn all_defects(&self) -> Vec<&String> {
        let of_headers = self.headers.iter().flat_map(|(_, _, defects)| defects);
        self.defects.iter().chain(of_headers).chain(self.parts.iter().flat_map(|part| &part.defects)).collect()
    }
}

/// The server; it ends with this value.
pub(crate) struct Smtp {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    pub(crate) port: u16,
    /// The authority that its certificate is from, as PEM.
    pub(crate) authority: String,
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mail").join(name)
}

impl Smtp {
    /// Starts a server: `none`, `starttls` or `implicit`, then a user and a password if it is to ask for them.
    pub(crate) async fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(python())
            .arg("-B")
            .arg(program("server.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start the SMTP server")?;
        let input = child.stdin.take().context("its input")?;
        let mut output = BufReader::new(child.stdout.take().context("its output")?).lines();
        let hello = line(&mut output).await.context("the SMTP server did not start; see tests/requirements.txt")?;
        let port = hello["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("its port")?;
        let authority = hello["ca"].as_str().context("its authority")?.to_owned();
        Ok(Self { _child: child, input, output, port, authority })
    }

    async fn ask(&mut self, command: &str) -> Result<Value> {
        self.input.write_all(format!("{command}\n").as_bytes()).await?;
        line(&mut self.output).await
    }

    /// How the server behaves from now on.
    pub(crate) async fn mode(&mut self, mode: &str) -> Result<()> {
        self.ask(&format!("mode {mode}")).await.map(|_| ())
    }

    /// The mails that it took.
    pub(crate) async fn mails(&mut self) -> Result<Vec<Mail>> {
        Ok(serde_json::from_value(self.ask("mails").await?)?)
    }

    /// How often something happened, such as `connections` and `DATA`.
    pub(crate) async fn count(&mut self, of: &str) -> Result<u64> {
        Ok(self.ask("counts").await?[of].as_u64().unwrap_or(0))
    }

    /// Closes every connection from its side.
    pub(crate) async fn drop_connections(&mut self) -> Result<()> {
        self.ask("drop").await.map(|_| ())
    }
}

async fn line(output: &mut Lines<BufReader<ChildStdout>>) -> Result<Value> {
    let line = tokio::time::timeout(PATIENCE, output.next_line()).await.context("no answer in time")??;
    let Some(line) = line else { bail!("the SMTP server ended") };
    Ok(serde_json::from_str(&line)?)
}

/// An authority, and a certificate of the loopback with its key, as PEM.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Certified {
    pub(crate) ca: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Makes an authority and a certificate of the loopback.
pub(crate) async fn certified() -> Result<Certified> {
    let output = Command::new(python()).arg("-B").arg(program("authority.py")).output().await?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no certificate: {}", String::from_utf8_lossy(&output.stderr)))
}
