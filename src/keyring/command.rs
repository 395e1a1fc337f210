//! Keys from a command's output: an argument vector without a shell, bounded in time and output.
//!
//! The command gets no input and an empty environment; what it writes to its error stream is thrown away, since it
//! may repeat a key. At the deadline its whole process group is killed.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::private_file::{MAX_BYTES, text};

/// Why a command gave no keys.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program is not named by an absolute path; there is no search path to look it up in.
    #[error("the command must begin with an absolute path, found `{program}`")]
    Relative {
        /// The first element of the argument vector.
        program: String,
    },
    /// The program could not be started, or its output not read.
    #[error("`{program}` cannot be run")]
    Run {
        /// The program.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The program took longer than permitted and was killed.
    #[error("`{program}` did not end within {timeout:?}")]
    Timeout {
        /// The program.
        program: String,
        /// The time that it had.
        timeout: Duration,
    },
    /// The program reported failure.
    #[error("`{program}` ended with {status}")]
    Status {
        /// The program.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// The program wrote more than any list of keys is long, or not text.
    #[error("`{program}` wrote something else than at most {MAX_BYTES} bytes of UTF-8")]
    Output {
        /// The program.
        program: String,
    },
}

impl CommandError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Relative { .. } => "key-command-relative",
            Self::Run { .. } => "key-command-cannot-run",
            Self::Timeout { .. } => "key-command-timeout",
            Self::Status { .. } => "key-command-failed",
            Self::Output { .. } => "key-command-output",
        }
    }

    /// What an operator does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Relative { .. } => "name the program by its full path in the configuration".to_owned(),
            Self::Run { program, .. } => format!("see that the daemon's user can execute `{program}`"),
            Self::Timeout { program, .. } | Self::Status { program, .. } | Self::Output { program } => {
                format!("run `env -i {program}` with its arguments as the daemon's user and look at what it prints")
            }
        }
    }
}

/// Runs a command and gives back what it wrote, in a buffer that is wiped when dropped. Dropping the future kills it.
pub(super) async fn run(argv: &[String], timeout: Duration) -> Result<Zeroizing<String>, CommandError> {
    let program = argv.first().cloned().unwrap_or_default();
    if !program.starts_with('/') {
        return Err(CommandError::Relative { program });
    }
    let failed = |source| CommandError::Run { program: program.clone(), source };
    let mut child = Command::new(&program)
        .args(&argv[1..])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let outcome = tokio::time::timeout(timeout, output(&mut child)).await;
    if !matches!(outcome, Ok(Ok((_, Some(_)))))
        && let Some(group) = group
    {
        // Not yet waited for, so the number is still this group's.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let (bytes, status) =
        outcome.map_err(|_| CommandError::Timeout { program: program.clone(), timeout })?.map_err(failed)?;
    match status {
        Some(status) if !status.success() => Err(CommandError::Status { program, status }),
        Some(_) => text(&bytes).ok_or(CommandError::Output { program }),
        None => Err(CommandError::Output { program }),
    }
}

/// Reads all output and then waits for the end; without an exit status if there was too much.
async fn output(child: &mut Child) -> io::Result<(Zeroizing<Vec<u8>>, Option<std::process::ExitStatus>)> {
    let stdout = child.stdout.take().expect("its output is piped");
    // Room for everything at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 64));
    stdout.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > MAX_BYTES {
        return Ok((bytes, None));
    }
    let status = child.wait().await?;
    Ok((bytes, Some(status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, millis: u64) -> Result<Zeroizing<String>, CommandError> {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned);
        run(&argv, Duration::from_millis(millis)).await
    }

    #[tokio::test]
    async fn the_output_is_given_back() {
        assert_eq!(shell("printf 'a\\nb'", 10_000).await.expect("runs").as_str(), "a\nb");
    }

    #[tokio::test]
    async fn the_environment_is_empty_and_arguments_are_not_parsed() {
        let argv = ["/usr/bin/env"].map(str::to_owned);
        assert_eq!(run(&argv, Duration::from_secs(10)).await.expect("runs").as_str(), "");
        let argv = ["/bin/echo", "$(id);`id`"].map(str::to_owned);
        assert_eq!(run(&argv, Duration::from_secs(10)).await.expect("runs").as_str(), "$(id);`id`\n");
    }

    #[tokio::test]
    async fn a_failing_command_is_told_without_its_output() {
        let error = shell("echo canary; echo canary >&2; exit 3", 10_000).await.expect_err("failed");
        assert!(matches!(error, CommandError::Status { .. }));
        assert!(!format!("{error:?} {error}").contains("canary") && error.to_string().ends_with("status: 3"));
    }

    #[tokio::test]
    async fn a_command_with_a_grandchild_that_hangs_ends_at_its_deadline() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let error = shell(&script, 2_000).await.expect_err("hangs");
        assert!(matches!(error, CommandError::Timeout { .. }), "{error:?}");
        let grandchild = std::fs::read_to_string(&file).expect("written before the wait");
        let status = std::path::Path::new("/proc").join(grandchild.trim()).join("status");
        let is_gone = || std::fs::read_to_string(&status).map_or(true, |s| s.contains("State:\tZ"));
        let gone = async {
            while !is_gone() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the whole group was killed");
    }

    #[tokio::test]
    async fn too_much_output_or_other_bytes_are_refused() {
        for script in ["yes", "printf '\\377'"] {
            assert!(matches!(shell(script, 10_000).await, Err(CommandError::Output { .. })), "{script}");
        }
    }

    #[tokio::test]
    async fn a_program_needs_an_absolute_path() {
        for argv in [vec![], vec!["echo".to_owned()]] {
            assert!(matches!(run(&argv, Duration::from_secs(1)).await, Err(CommandError::Relative { .. })));
        }
        let argv = ["/nonexistent".to_owned()];
        assert!(matches!(run(&argv, Duration::from_secs(1)).await, Err(CommandError::Run { .. })));
    }
}
