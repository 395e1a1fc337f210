//! What the kernel counts of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The unit of processor times in `/proc`, fixed for programs on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// Memory and processor time of a process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory in bytes.
    pub(crate) rss: u64,
    /// Processor time in user and kernel mode together, to a hundredth of a second.
    pub(crate) cpu: Duration,
    /// The state as one letter: `S` sleeps, `R` runs, `T` is stopped, `Z` is dead.
    pub(crate) state: char,
    pub(crate) threads: u64,
    /// Open descriptors; 0 where the kernel does not tell others.
    pub(crate) descriptors: usize,
}

impl Usage {
    /// Reads `/proc/PID`.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read the process's times")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read the process's memory")?;
        // The name in brackets may hold blanks; what follows it does not.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let field = |index: usize| fields.get(index).copied().context("a short line of /proc");
        let ticks = field(11)?.parse::<u64>()? + field(12)?.parse::<u64>()?;
        let rss =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| rest.split_whitespace().next());
        Ok(Self {
            rss: rss.map_or(Ok(0), str::parse::<u64>)? * 1024,
            cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
            state: field(0)?.chars().next().context("no state")?,
            threads: field(17)?.parse()?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count),
        })
    }
}

mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_threads_and_descriptors() -> Result<()> {
        let usage = Usage::of(std::process::id())?;
        assert!(usage.rss > 100_000 && usage.threads >= 1 && usage.descriptors >= 3, "{usage:?}");
        assert!("RSD".contains(usage.state), "{usage:?}");
        Ok(())
    }
}
