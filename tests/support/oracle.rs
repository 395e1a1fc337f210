//! Asks the oracle, a program of its own, whether the world is as keywheel says.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::daemon::{Daemon, PATIENCE, python};

/// How long the oracle may look: it logs in with each of some thousand versions.
const LONGEST_LOOK: Duration = Duration::from_mins(5);

/// A broken invariant.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Violation {
    pub(crate) subject: String,
    pub(crate) invariant: String,
    pub(crate) what: String,
}

/// What the oracle saw.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    /// Counts of what was looked at: secrets, versions, logins, roles, rotations, occurrences.
    pub(crate) checked: Value,
}

impl Verdict {
    /// How many of something were looked at; an oracle that looked at nothing proves nothing.
    pub(crate) fn count(&self, of: &str) -> u64 {
        self.checked[of].as_u64().unwrap_or(0)
    }

    /// Fails with every violation, or when not a single login was tried.
    pub(crate) fn prove_sound(&self) -> Result<()> {
        ensure!(self.violations.is_empty(), "the oracle found {:#?}", self.violations);
        ensure!(self.count("logins") > 0, "the oracle tried no login: {}", self.checked);
        Ok(())
    }
}

/// Judges a running daemon against its target. `options` are those of `oracle.py`, as in `--running`,
/// `--known ROLE`, `--scan PATH`, `--store URL`.
pub(crate) async fn judge(daemon: &Daemon, admin_url: &str, options: &[&str]) -> Result<Verdict> {
    let data = daemon.data().display().to_string();
    run(&[&["--data", &data, "--target", admin_url], options].concat()).await
}

/// Judges the store of a daemon that ended regularly: no claim may be held.
pub(crate) async fn judge_stopped(daemon: &Daemon) -> Result<Verdict> {
    let data = daemon.data().display().to_string();
    run(&["--data", &data, "--stopped"]).await
}

/// Searches files for bytes, as `search.py` is asked.
pub(crate) async fn search(asked: &Value) -> Result<Value> {
    let mut command = Command::new(python());
    command.arg("-B").arg(program("search.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("run the search")?;
    let mut input = child.stdin.take().context("its input")?;
    input.write_all(asked.to_string().as_bytes()).await.context("ask the search")?;
    drop(input);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.context("the search did not end")??;
    ensure!(output.status.success(), "the search failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("read what was found")
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle").join(name)
}

async fn run(arguments: &[&str]) -> Result<Verdict> {
    let mut command = Command::new(python());
    command.arg("-B").arg(program("oracle.py")).args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(LONGEST_LOOK, command.output()).await.context("the oracle did not end")??;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the oracle broke: {}", String::from_utf8_lossy(&output.stderr)))?;
    if let Some(error) = answer.get("error") {
        bail!("the oracle could not look: {error}");
    }
    let verdict: Verdict = serde_json::from_value(answer).context("read the oracle's verdict")?;
    let expected = i32::from(!verdict.violations.is_empty());
    ensure!(output.status.code() == Some(expected), "the oracle's exit status belies its words: {}", output.status);
    Ok(verdict)
}

mod tests {
    use super::*;

    #[tokio::test]
    async fn an_oracle_that_cannot_look_is_an_error_and_not_a_good_verdict() -> Result<()> {
        let daemon = Daemon::new("")?;
        let error = judge(&daemon, "postgres://a:b@127.0.0.1:1/x", &[]).await.expect_err("there is no daemon");
        assert!(error.to_string().contains("could not look"), "{error:#}");
        assert!(judge_stopped(&daemon).await.is_err());
        Ok(())
    }

    #[test]
    fn a_verdict_without_a_single_login_proves_nothing() -> Result<()> {
        let verdict = |text| serde_json::from_str::<Verdict>(text);
        assert!(verdict(r#"{"violations": [], "checked": {"logins": 0}}"#)?.prove_sound().is_err());
        assert!(verdict(r#"{"violations": [], "checked": {"logins": 2}}"#)?.prove_sound().is_ok());
        let found = r#"{"violations": [{"subject": "a", "invariant": "I1", "what": "b"}], "checked": {"logins": 2}}"#;
        assert!(verdict(found)?.prove_sound().is_err());
        Ok(())
    }
}
