//! Files that hold keys: read only if nobody else can, written whole or not at all.
//!
//! A write goes to a new file of mode 0600 beside its goal, is synced, and is then put in place in one step; the
//! directory is synced last. A crash leaves the old content or the new one, and perhaps a file
//! `.NAME.<random>.new`, also 0600, which may be deleted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keywheel_contract::Random;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::derive::hex;

/// The largest file of keys: 64 KiB.
pub(super) const MAX_BYTES: usize = 64 << 10;

/// Why a file of keys was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused to open or read it.
    #[error("`{path}` cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("`{path}` is not a regular file")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Its mode lets others read or change it.
    #[error("`{path}` has mode {mode:04o}, so others than its owner can reach the keys in it")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody who is neither the daemon's user nor root.
    #[error("`{path}` belongs to user {owner}, who could replace the keys in it")]
    Owner {
        /// The file.
        path: PathBuf,
        /// The numeric id of its owner.
        owner: u32,
    },
    /// It is longer than any file of keys.
    #[error("`{path}` is longer than {MAX_BYTES} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not UTF-8.
    #[error("`{path}` is not text in UTF-8")]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// It exists, and keys in it must not be lost.
    #[error("`{path}` exists already and may hold keys that are in use")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused a step of writing; the old content is untouched.
    #[error("`{path}` cannot be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl FileError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "key-file-unreadable",
            Self::NotAFile { .. } => "key-file-not-a-file",
            Self::Mode { .. } => "key-file-mode",
            Self::Owner { .. } => "key-file-owner",
            Self::TooLarge { .. } => "key-file-too-large",
            Self::NotText { .. } => "key-file-not-text",
            Self::Exists { .. } => "key-file-exists",
            Self::Write { .. } => "key-file-unwritable",
        }
    }

    /// What an operator does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { path, .. } => format!("see that the daemon's user can read it: `ls -l {}`", path.display()),
            Self::Mode { path, .. } => format!("run `chmod 600 {}`", path.display()),
            Self::Owner { path, .. } => format!("run `chown` on {} for the daemon's user", path.display()),
            Self::NotAFile { .. } | Self::TooLarge { .. } | Self::NotText { .. } => {
                "name the file of master keys itself in the configuration".to_owned()
            }
            Self::Exists { .. } => "name another file, or move this one away if its keys are not in use".to_owned(),
            Self::Write { path, .. } => {
                let parent = directory(path);
                format!("see that the daemon's user can create files in {}, and that it has room", parent.display())
            }
        }
    }
}

/// Who besides the owner may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    /// Nobody: modes 0600 and 0400.
    OwnerOnly,
    /// The group too: systemd gives a service its credential by an access list, whose mask shows as group bits.
    OwnerAndGroup,
}

/// What a write does with a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is left alone, and the write fails.
    Refuse,
    /// It is replaced in one step.
    Replace,
}

/// Reads a file of keys that only its owner, the daemon's user or root, can reach; at most 64 KiB of UTF-8. Blocks.
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, FileError> {
    read(path, Readers::OwnerOnly)
}

pub(super) fn read(path: &Path, readers: Readers) -> Result<Zeroizing<String>, FileError> {
    let unreadable = |source| FileError::Read { path: path.to_owned(), source };
    // Not blocking: a pipe would wait for a writer before anything could be checked.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("a low bit");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    let me = rustix::process::geteuid().as_raw();
    check(path, &file.metadata().map_err(unreadable)?, readers, me)?;
    // Room for everything at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 64));
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    text(&bytes).ok_or_else(|| FileError::NotText { path: path.to_owned() })
}

/// Copies bytes into a text that is wiped when dropped; `None` if they are not UTF-8.
pub(super) fn text(bytes: &[u8]) -> Option<Zeroizing<String>> {
    std::str::from_utf8(bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn check(path: &Path, metadata: &fs::Metadata, readers: Readers, me: u32) -> Result<(), FileError> {
    let path = || path.to_owned();
    let forbidden = match readers {
        Readers::OwnerOnly => 0o077,
        Readers::OwnerAndGroup => 0o037,
    };
    let mode = metadata.mode() & 0o7777;
    let owner = metadata.uid();
    if !metadata.is_file() {
        return Err(FileError::NotAFile { path: path() });
    }
    if mode & forbidden != 0 {
        return Err(FileError::Mode { path: path(), mode });
    }
    if owner != 0 && owner != me {
        return Err(FileError::Owner { path: path(), owner });
    }
    Ok(())
}

/// Writes a file of keys with mode 0600, whole or not at all, and durable when this returns. Blocks.
pub fn write_private(path: &Path, text: &str, existing: Existing, random: &dyn Random) -> Result<(), FileError> {
    let mut tail = [0; 8];
    random.fill(&mut tail);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = directory(path).join(format!(".{name}.{}.new", hex(&tail)));
    let written = write_fresh(&fresh, text).and_then(|()| put_in_place(&fresh, path, existing));
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written.and_then(|()| File::open(directory(path))?.sync_all()).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists if existing == Existing::Refuse => FileError::Exists { path: path.to_owned() },
        _ => FileError::Write { path: path.to_owned(), source },
    })
}

fn write_fresh(fresh: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn put_in_place(fresh: &Path, path: &Path, existing: Existing) -> io::Result<()> {
    match existing {
        Existing::Replace => fs::rename(fresh, path),
        // A link fails if the name is taken, on every file system; a rename would replace.
        Existing::Refuse => fs::hard_link(fresh, path).and_then(|()| fs::remove_file(fresh)),
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::tests::Seeded;
    use super::*;

    fn world() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("master.keys");
        (directory, path)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own file");
    }

    #[test]
    fn a_written_file_is_private_and_reads_back() {
        let (directory, path) = world();
        let random = Seeded::new(1);
        write_private(&path, "one", Existing::Refuse, &random).expect("written");
        write_private(&path, "two", Existing::Replace, &random).expect("replaced");
        assert_eq!(read_private(&path).expect("read").as_str(), "two");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn a_file_that_exists_is_not_lost_by_mistake() {
        let (directory, path) = world();
        let random = Seeded::new(1);
        write_private(&path, "one", Existing::Refuse, &random).expect("written");
        let error = write_private(&path, "two", Existing::Refuse, &random).expect_err("exists");
        assert!(matches!(error, FileError::Exists { .. }), "{error:?}");
        assert_eq!(read_private(&path).expect("read").as_str(), "one");
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn a_file_that_others_reach_is_refused_with_the_command_that_helps() {
        let (_directory, path) = world();
        write_private(&path, "one", Existing::Refuse, &Seeded::new(1)).expect("written");
        for (mode, owner_only, with_group) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o440, false, true),
            (0o640, false, true),
            (0o660, false, false),
            (0o604, false, false),
            (0o602, false, false),
        ] {
            set_mode(&path, mode);
            assert_eq!(read(&path, Readers::OwnerOnly).is_ok(), owner_only, "{mode:o}");
            assert_eq!(read(&path, Readers::OwnerAndGroup).is_ok(), with_group, "{mode:o}");
        }
        let error = read_private(&path).expect_err("0602");
        assert!(error.to_string().contains("0602") && error.hint().starts_with("run `chmod 600"));
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let (_directory, path) = world();
        write_private(&path, "one", Existing::Refuse, &Seeded::new(1)).expect("written");
        let mut owner = rustix::process::geteuid().as_raw();
        if owner == 0 {
            owner = 7;
            std::os::unix::fs::chown(&path, Some(owner), None).expect("root may");
        }
        let metadata = fs::metadata(&path).expect("there");
        assert!(check(&path, &metadata, Readers::OwnerOnly, owner).is_ok());
        let error = check(&path, &metadata, Readers::OwnerOnly, owner + 1).expect_err("foreign");
        assert!(matches!(error, FileError::Owner { owner: found, .. } if found == owner));
    }

    #[test]
    fn what_is_not_a_small_text_file_is_refused() {
        let (directory, path) = world();
        assert!(matches!(read_private(&path), Err(FileError::Read { .. })));
        assert!(matches!(read_private(directory.path()), Err(FileError::NotAFile { .. })));
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).expect("a pipe");
        assert!(matches!(read_private(&pipe), Err(FileError::NotAFile { .. })));
        fs::write(&path, vec![b'a'; MAX_BYTES + 1]).expect("written");
        set_mode(&path, 0o600);
        assert!(matches!(read_private(&path), Err(FileError::TooLarge { .. })));
        fs::write(&path, [255]).expect("written");
        assert!(matches!(read_private(&path), Err(FileError::NotText { .. })));
        fs::write(&path, vec![b'a'; MAX_BYTES]).expect("written");
        assert!(read_private(&path).is_ok());
    }
}
