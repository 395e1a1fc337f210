//! Hooks: the only commands that the daemon runs on its host.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

use crate::engine::{Kind, Trouble};

/// How much of what a hook prints is told: its end.
const TOLD: usize = 400;

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

/// Why a hook did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookFailure {
    /// It could not be started; nothing happened.
    #[error("it cannot be started: {0}")]
    NotStarted(String),
    /// It said no, by its exit status or by a signal.
    #[error("it ended with {status}{}{said}", if said.is_empty() { "" } else { ": " })]
    Failed {
        /// How it ended.
        status: String,
        /// The end of what it printed.
        said: String,
    },
    /// It did not end in its time and was ended, with all that it started.
    #[error("it did not end within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl Hook {
    /// Runs it for a delivery. Errors: `hook-failed`.
    pub async fn run(&self, usual: Duration) -> Result<(), Trouble> {
        let program = self.argv.first().map_or("", String::as_str);
        self.run_with(&[], usual).await.map_err(|failure| {
            let sentence = format!("the hook `{program}` failed: {failure}");
            Trouble::new(Kind::Refused, "hook-failed", sentence, "run the hook by hand as the daemon's user")
        })
    }

    /// Runs it with more arguments: its own process group, an empty environment, no input, ended at its limit (`usual`
    /// where it has none). Where the future is dropped, the command and what it started are ended too.
    pub async fn run_with(&self, more: &[&str], usual: Duration) -> Result<(), HookFailure> {
        let mut child = self
            .command(more)?
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| HookFailure::NotStarted(error.to_string()))?;
        let limit = if self.timeout.is_zero() { usual } else { self.timeout };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        let mut group = Group(pid);
        // What it prints is read as it comes, so that a full pipe never holds it up; a server that it starts may keep
        // its pipes, and is not waited for.
        let printed = [tail(child.stdout.take()), tail(child.stderr.take())];
        let ended = tokio::time::timeout(limit, child.wait()).await;
        if ended.is_ok() {
            // What it left behind on purpose, such as a server that it started, lives on.
            group.0 = None;
        }
        let status = match ended {
            Ok(Ok(status)) if status.success() => return Ok(()),
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => format!("an unknown end: {error}"),
            Err(_) => return Err(HookFailure::TimedOut(limit)),
        };
        Err(HookFailure::Failed { status, said: said(printed).await })
    }

    fn command(&self, more: &[&str]) -> Result<Command, HookFailure> {
        let Some((program, arguments)) = self.argv.split_first() else {
            return Err(HookFailure::NotStarted("it names no program".to_owned()));
        };
        let mut command = match &self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--init-groups", "--no-new-privs", "--", program]);
                command
            }
        };
        command.args(arguments).args(more);
        Ok(command)
    }
}

type Tail = tokio::task::JoinHandle<Vec<u8>>;

/// Reads a pipe to its end and keeps the last of it.
fn tail(pipe: Option<impl AsyncRead + Unpin + Send + 'static>) -> Tail {
    tokio::spawn(async move {
        let mut kept = Vec::new();
        let Some(mut pipe) = pipe else { return kept };
        let mut part = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut part).await {
            kept.extend_from_slice(&part[..read]);
            kept.drain(..kept.len().saturating_sub(TOLD));
        }
        kept
    })
}

/// What was printed, in one line without control characters.
async fn said(printed: [Tail; 2]) -> String {
    let mut texts = Vec::new();
    for mut one in printed {
        match tokio::time::timeout(Duration::from_secs(1), &mut one).await {
            Ok(bytes) => texts.push(bytes.unwrap_or_default()),
            Err(_) => one.abort(),
        }
    }
    let words = texts.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect::<Vec<_>>().join(" ");
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).collect()
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

#[cfg(test)]
mod unit {
    use super::*;

    fn shell(script: &str, seconds: u64) -> Hook {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        Hook { argv, timeout: Duration::from_secs(seconds), user: None }
    }

    #[tokio::test]
    async fn a_failed_hook_tells_the_end_of_what_it_printed() {
        let failed = shell("yes | head -c 200000; echo; echo 'line 3: no such file' >&2; exit 3", 10);
        let failure = failed.run_with(&[], Duration::ZERO).await.expect_err("failed");
        let HookFailure::Failed { status, said } = failure else { panic!("{failure:?}") };
        assert!(status.contains('3') && said.ends_with("line 3: no such file") && said.len() <= 900, "{said}");
    }

    #[tokio::test]
    async fn a_hook_that_hangs_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let alive = folder.path().join("pid");
        let hook = shell(&format!("sleep 60 & echo $! > {}; wait", alive.display()), 1);
        assert_eq!(hook.run_with(&[], Duration::ZERO).await, Err(HookFailure::TimedOut(Duration::from_secs(1))));
        let pid = std::fs::read_to_string(&alive).expect("it had begun");
        let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        assert!(has_ended(pid), "it lives on");
    }

    /// Waits for the end of a process that need not be a child.
    fn has_ended(pid: rustix::process::Pid) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        // Who is gone for good cannot be opened.
        let Ok(process) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { return true };
        let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
        poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&limit)).is_ok_and(|ended| ended == 1)
    }

    #[tokio::test]
    async fn arguments_are_passed_as_they_are_and_the_environment_is_empty() {
        let hook = shell("test \"$0\" = 'a b;$(id)' && test -z \"$HOME$KEYWHEEL_TOKEN\"", 10);
        assert_eq!(hook.run_with(&["a b;$(id)"], Duration::ZERO).await, Ok(()));
    }
}
