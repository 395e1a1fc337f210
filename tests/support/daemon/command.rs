//! The daemon's commands, run against it as a person or a script would.

use std::fmt;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::{Daemon, PATIENCE};

/// What a command left.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The exit code; a death by a signal is -1.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Standard output as JSON, for `--output json`.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("not JSON: {self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, stdout {:?}, stderr {:?}", self.status, self.stdout, self.stderr)
    }
}

impl Daemon {
    /// Runs `keywheel` with `arguments` against this daemon. The test goes on meanwhile: a proxy or a
    /// server in the same runtime keeps working.
    pub(crate) async fn cli(&self, arguments: &[&str], stdin: Option<&[u8]>) -> Result<Output> {
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).args(arguments);
        command.env_clear().envs(self.base_env());
        command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("run `keywheel {}`", arguments.join(" ")))?;
        let input = child.stdin.take();
        let feeding = async {
            if let (Some(mut input), Some(bytes)) = (input, stdin) {
                // A command may end without reading what it was given.
                let _ = input.write_all(bytes).await;
            }
        };
        let running = async { tokio::join!(feeding, child.wait_with_output()).1 };
        let output = tokio::time::timeout(PATIENCE, running).await;
        let output = output.with_context(|| format!("`keywheel {}` did not end", arguments.join(" ")))??;
        let text = |bytes| String::from_utf8(bytes).context("a command printed what is not text");
        Ok(Output { status: output.status, stdout: text(output.stdout)?, stderr: text(output.stderr)? })
    }

    /// The same, and an exit code other than 0 is an error with what was printed.
    pub(crate) async fn cli_ok(&self, arguments: &[&str], stdin: Option<&[u8]>) -> Result<Output> {
        let output = self.cli(arguments, stdin).await?;
        anyhow::ensure!(output.status.success(), "`keywheel {}` failed: {output}", arguments.join(" "));
        Ok(output)
    }

    /// The environment of daemon and commands: nothing of the machine's but where programs lie.
    pub(super) fn base_env(&self) -> Vec<(String, String)> {
        let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        vec![
            ("PATH".to_owned(), path),
            ("HOME".to_owned(), self.folder().display().to_string()),
            ("KEYWHEEL_CONFIG".to_owned(), self.config().display().to_string()),
            ("KEYWHEEL_ADDR".to_owned(), format!("unix:{}", self.socket().display())),
        ]
    }
}

/// The Python of the tests: the one that `scripts/test` prepared, else the system's.
pub(crate) fn python() -> String {
    std::env::var("KEYWHEEL_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}
