//! Hooks: the only commands that the daemon runs on its host.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;

use crate::engine::{Kind, Trouble};

/// A command that the configuration file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The program and its arguments; no shell.
    pub argv: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
    /// The user to run it as; the daemon's own if none is given.
    pub user: Option<String>,
}

impl Hook {
    /// Runs it: its own process group, an empty environment, no input, nothing kept of its output, ended at its limit
    /// (`usual` where it has none). Errors: `hook-failed`.
    pub async fn run(&self, usual: Duration) -> Result<(), Trouble> {
        let (program, mut command) = self.command()?;
        let mut child = command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("`{program}` cannot be started: {error}")))?;
        let limit = if self.timeout.is_zero() { usual } else { self.timeout };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        let mut group = Group(pid);
        let ended = tokio::time::timeout(limit, child.wait()).await;
        if ended.is_ok() {
            // What it left behind on purpose, such as a server that it started, lives on.
            group.0 = None;
        }
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(format!("`{program}` ended with {status}"))),
            Ok(Err(error)) => Err(failed(format!("`{program}` was lost: {error}"))),
            Err(_) => Err(failed(format!("`{program}` did not end within {} s", limit.as_secs()))),
        }
    }

    fn command(&self) -> Result<(&str, Command), Trouble> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(failed("the hook has no program".to_owned()));
        };
        let mut command = match &self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--init-groups", "--no-new-privs", "--", program]);
                command
            }
        };
        command.args(arguments);
        Ok((program, command))
    }
}

/// What a hook started: ended as a whole when it is given up, so that nothing of it acts on later.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // They may have ended meanwhile; then there is nothing to end.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

fn failed(sentence: String) -> Trouble {
    Trouble::new(Kind::Refused, "hook-failed", sentence, "run the hook by hand as the daemon's user")
}
