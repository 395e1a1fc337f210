//! The data directory of a stopped daemon, kept and put back: each fault then meets the same store.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::Daemon;

impl Daemon {
    /// Keeps the data directory as it is. The daemon must not run.
    pub(crate) fn keep_data(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "the daemon still writes its data");
        copy(&self.data(), &self.folder().join("kept"))
    }

    /// Puts the data directory back as it was kept.
    pub(crate) fn put_data_back(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "the daemon still writes its data");
        fs::remove_dir_all(self.data()).context("remove the data directory")?;
        copy(&self.folder().join("kept"), &self.data())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("make {}", to.display()))?;
    let mode = fs::metadata(from).context("read a folder's mode")?.permissions();
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let (kind, place) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &place)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), &place).with_context(|| format!("copy {}", entry.path().display()))?;
        }
    }
    fs::set_permissions(to, mode).context("set a folder's mode")
}
