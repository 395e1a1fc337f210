//! The lock on the data directory: one daemon on it at a time.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};

use super::LifecycleError;

/// The lock, held until dropped; the kernel drops it with the process. Children do not inherit it.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock, or tells which process has it.
    pub fn take(data_dir: &Path) -> Result<Self, LifecycleError> {
        let path = data_dir.join("lock");
        let failed = |source| LifecycleError::Io { path: path.clone(), what: "locked", source };
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut file = opened.map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let pid = fs::read_to_string(&path).unwrap_or_default();
                let is_pid = !pid.trim().is_empty() && pid.trim().bytes().all(|b| b.is_ascii_digit());
                let who = if is_pid { format!(": process {}", pid.trim()) } else { String::new() };
                return Err(LifecycleError::Locked { path: data_dir.to_owned(), who });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let pid = format!("{}\n", std::process::id());
        // Who has the lock is a courtesy: a full disk must not keep the daemon from starting.
        let _ = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes()));
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_has_the_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = DataLock::take(folder.path()).expect("free");
        let error = DataLock::take(folder.path()).expect_err("taken");
        assert!(error.to_string().ends_with(&format!(": process {}", std::process::id())), "{error}");
        drop(first);
        DataLock::take(folder.path()).expect("free again");
    }
}
