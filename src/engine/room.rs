//! Room on the store's disk: a ballast file that is given up when the disk is full, so that what runs can end.
//!
//! When a write finds the disk full, the ballast is deleted, no new rotation starts, and the write is tried again.
//! Upkeep puts the ballast back, and lets rotations start again, when there is room for it two times over. A crash
//! in between leaves no ballast; the next start is then short of room until upkeep has put it back. On PostgreSQL the
//! disk is not ours: there, rotations wait until a write goes well again.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use futures_util::future::BoxFuture;

use super::{Engine, Trouble, runner::RunError};
use crate::store::{StoreError, Tx};

/// The file's name in the data directory.
const BALLAST: &str = "ballast";

/// Room that opening a store needs at least: its log and its shared memory.
const LEAST: u64 = 1 << 20;

/// An error that may say that the disk is full.
pub trait TellsFull {
    /// Whether it says so.
    fn is_full(&self) -> bool;
}

impl TellsFull for StoreError {
    fn is_full(&self) -> bool {
        matches!(self, Self::Full)
    }
}

impl TellsFull for RunError {
    fn is_full(&self) -> bool {
        match self {
            Self::Store(error) => error.is_full(),
            Self::Trouble(trouble) => trouble.is_full(),
        }
    }
}

impl TellsFull for Trouble {
    fn is_full(&self) -> bool {
        self.code == "store-full"
    }
}

impl Engine {
    /// Writes to the store in one transaction; when the disk is full, gives up the ballast and writes a second time.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + TellsFull + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Clone + Send + 'static,
    {
        match self.store.write(job.clone()).await {
            Err(error) if error.is_full() => {
                self.counts.store_errors.fetch_add(1, Ordering::Relaxed);
                if self.give_up_ballast() { self.store.write(job).await } else { Err(error) }
            }
            done => done,
        }
    }

    /// Whether the store's disk has no room for new work: no rotation starts.
    pub fn is_short_of_room(&self) -> bool {
        self.short_of_room.load(Ordering::Acquire)
    }

    /// Gives up the ballast and lets no new rotation start. Answers whether there was a ballast to give up.
    pub(super) fn give_up_ballast(&self) -> bool {
        let is_news = !self.short_of_room.swap(true, Ordering::AcqRel);
        let given_up = !self.store.is_shared() && remove_ballast(&self.options.data_dir);
        tracing::warn!(given_up, "the store is full: no new rotation starts");
        if is_news {
            self.shout("daemon.store_full", "the store is full", "make room on the disk of the data directory");
        }
        given_up
    }

    /// Puts the ballast back where there is room, and lets rotations start again. Blocks; run at start and by upkeep.
    pub(super) fn put_ballast_back(&self) {
        let size = self.options.ballast;
        let was_short = self.is_short_of_room();
        if self.store.is_shared() || size == 0 {
            self.short_of_room.store(false, Ordering::Release);
            return;
        }
        let path = self.ballast();
        let is_there = fs::metadata(&path).is_ok_and(|found| found.len() == size);
        let has_room = is_there || free(&self.options.data_dir).is_ok_and(|free| free >= size.saturating_mul(2));
        let is_back = is_there || (has_room && fill(&path, size).is_ok());
        self.short_of_room.store(!is_back, Ordering::Release);
        match (was_short, is_back) {
            (true, true) => tracing::info!("there is room again: rotations start"),
            (false, false) => tracing::warn!("there is no room for the ballast: no new rotation starts"),
            _ => {}
        }
        if was_short && is_back {
            self.wake();
        }
    }

    fn ballast(&self) -> PathBuf {
        self.options.data_dir.join(BALLAST)
    }
}

/// Gives up the ballast where the disk has too little room to open a store; answers whether it was given up. For the
/// start, when nothing runs yet; upkeep puts the ballast back.
pub fn make_room(data_dir: &Path) -> bool {
    free(data_dir).is_ok_and(|free| free < LEAST) && remove_ballast(data_dir)
}

fn remove_ballast(data_dir: &Path) -> bool {
    fs::remove_file(data_dir.join(BALLAST)).is_ok()
}

/// Bytes that are free for this user.
fn free(folder: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Writes a file of zeros that really takes its room: a hole would not.
fn fill(path: &Path, size: u64) -> io::Result<()> {
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).and_then(|mut file| {
            let block = vec![0x6b; 64 << 10];
            let mut left = size;
            while left > 0 {
                let part = usize::try_from(left).unwrap_or(block.len()).min(block.len());
                file.write_all(&block[..part])?;
                left -= part as u64;
            }
            file.sync_all()
        });
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_ballast_takes_the_room_that_it_is_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ballast");
        fill(&path, 300_000).expect("written");
        let found = fs::metadata(&path).expect("there");
        assert_eq!(found.len(), 300_000);
        assert!(found.blocks() * 512 >= 300_000);
        assert!(free(folder.path()).expect("known") > 0);
    }
}
