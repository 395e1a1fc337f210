//! The built daemon as a process: started, asked, stopped, killed, measured.
//!
//! A [`Daemon`] owns a folder with the data directory, the configuration and what the process
//! printed. Nothing here waits blindly: readiness is an answer of `/healthz` over the unix socket, an
//! end is an exit status.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::http::{Answer, Request, ask_socket};
use super::wait::{eventually, eventually_blocking};

pub(crate) mod api;
pub(crate) mod command;
pub(crate) mod measure;
pub(crate) mod snapshot;
mod tests;

pub(crate) use command::python;
pub(crate) use measure::Usage;

/// How long a start, a stop or a command may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The daemon and its folder; dropping it kills the process and removes the folder.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// The program and the arguments that come before all others.
    program: Vec<String>,
    folder: TempDir,
    env: Vec<(String, String)>,
    child: Option<Child>,
}

impl Daemon {
    /// Prepares a folder without running anything. `extra` follows the generated configuration, which ends in the
    /// table `[daemon]`.
    pub(crate) fn new(extra: &str) -> Result<Self> {
        Self::with_program(vec![env!("CARGO_BIN_EXE_keywheel").to_owned()], extra)
    }

    fn with_program(program: Vec<String>, extra: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("kw").tempdir().context("make the daemon's folder")?;
        let daemon = Self { program, folder, env: Vec::new(), child: None };
        daemon.write_config(extra)?;
        Ok(daemon)
    }

    /// Initialises a data directory, starts the daemon on it and waits until it is ready.
    pub(crate) async fn start(extra: &str) -> Result<Self> {
        let mut daemon = Self::new(extra)?;
        daemon.init().await?;
        daemon.serve().await?;
        Ok(daemon)
    }

    /// Writes the configuration file anew; it counts from the next start on.
    pub(crate) fn write_config(&self, extra: &str) -> Result<()> {
        let text = format!("[daemon]\ndata_dir = \"{}\"\n{extra}", self.data().display());
        fs::write(self.config(), text).context("write the configuration")
    }

    /// Adds a variable to the environment of later starts, or replaces it.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Adds several, as [`super::preload::Faults::env`] gives them.
    pub(crate) fn set_envs(&mut self, env: Vec<(String, String)>) {
        for (name, value) in env {
            self.set_env(&name, &value);
        }
    }

    /// Forgets every variable that was added.
    pub(crate) fn clear_env(&mut self) {
        self.env.clear();
    }

    /// Runs `keywheel init`.
    pub(crate) async fn init(&self) -> Result<()> {
        let config = self.config().display().to_string();
        let output = self.cli(&["init", "--config", &config], None).await?;
        ensure!(output.status.success(), "`keywheel init` failed: {output}");
        Ok(())
    }

    /// Starts `keywheel serve` and waits until it is ready; fails early when the process ends.
    pub(crate) async fn serve(&mut self) -> Result<()> {
        self.spawn()?;
        match eventually(PATIENCE, "the daemon is ready or gone", async || self.readiness().await).await? {
            Ok(()) => Ok(()),
            Err(status) => bail!("the daemon ended at its start with {status}: {}", self.stderr()),
        }
    }

    /// Starts `keywheel serve` without waiting, for starts that are meant to fail.
    pub(crate) fn spawn(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the daemon runs already");
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).arg("serve").arg("--config").arg(self.config());
        command.env_clear().envs(self.base_env()).envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(self.printed("stdout")?).stderr(self.printed("stderr")?);
        self.child = Some(command.spawn().context("start the daemon")?);
        Ok(())
    }

    /// `Some(Ok)` when it answers, `Some(Err)` when it ended, `None` while neither is so.
    async fn readiness(&mut self) -> Option<Result<(), ExitStatus>> {
        if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
            self.child = None;
            return Some(Err(status));
        }
        let answer = tokio::time::timeout(Duration::from_secs(2), self.get("/healthz")).await;
        matches!(answer, Ok(Ok(Answer { status: 200, .. }))).then_some(Ok(()))
    }

    /// Waits until the process has ended, by whatever cause.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the daemon does not run")?;
        let ended = async || child.try_wait().transpose();
        let status = eventually(PATIENCE, "the daemon has ended", ended).await;
        match status {
            Ok(status) => status.context("wait for the daemon"),
            Err(error) => {
                self.child = Some(child);
                Err(error)
            }
        }
    }

    /// SIGKILL, as a crash.
    pub(crate) async fn kill9(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait().await.map(drop)
    }

    /// SIGTERM; answers the exit status.
    pub(crate) async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait().await
    }

    /// SIGSTOP: the process stands still until [`Daemon::resume`]. Returns when it stands.
    pub(crate) async fn suspend(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        eventually(PATIENCE, "the daemon stands still", async || (self.usage().ok()?.state == 'T').then_some(())).await
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Kills the process when it runs, and starts it again on the same data directory.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        if self.is_running() {
            self.kill9().await?;
        }
        self.child = None;
        self.serve().await
    }

    /// Whether the process runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    /// Forgets a process that was seen to have ended.
    pub(crate) fn forget_ended(&mut self) {
        if !self.is_running() {
            self.child = None;
        }
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(self.child.as_ref().context("the daemon does not run")?);
        kill_process(pid, signal).context("send a signal to the daemon")
    }

    /// The process id while it runs.
    pub(crate) fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the daemon does not run")?.id())
    }

    /// Memory and processor time as the kernel counts them.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid()?)
    }

    /// The folder of everything: data, configuration, printed text.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The SQLite file of the store.
    pub(crate) fn store(&self) -> PathBuf {
        self.data().join("keywheel.db")
    }

    /// The unix socket of the API.
    pub(crate) fn socket(&self) -> PathBuf {
        self.data().join("keywheel.sock")
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("keywheel.toml")
    }

    /// What all starts printed to standard output.
    pub(crate) fn stdout(&self) -> String {
        fs::read_to_string(self.folder.path().join("stdout")).unwrap_or_default()
    }

    /// What all starts printed to standard error.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    fn printed(&self, name: &str) -> Result<File> {
        let file = OpenOptions::new().create(true).append(true).open(self.folder.path().join(name));
        file.with_context(|| format!("open `{name}` of the daemon"))
    }

    /// GET over the unix socket.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        ask_socket(&self.socket(), &Request { method: "GET", path, ..Request::default() }).await
    }

    /// Any method over the unix socket, with a JSON body.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let body = serde_json::to_vec(body).context("write the body")?;
        let headers = &[("content-type", "application/json")];
        ask_socket(&self.socket(), &Request { method, path, headers, body: Some(&body) }).await
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = eventually_blocking(PATIENCE, "the killed daemon is gone", || child.try_wait().transpose());
        }
        if std::thread::panicking() {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "--- the daemon's standard error\n{}---", self.stderr());
        }
    }
}
