//! One open folder, and what may be done in it: nothing here follows a link, and nothing leaves the root.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags},
    io::Errno,
};

use super::{HostError, InstallRoot, Sensitivity, VersionFile, owner::Owner};

/// What temporary names end with; they begin with a dot.
const UNFINISHED: &str = ".keywheel";

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// An open folder, with its path for messages.
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// Whose what is made becomes.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    pub(super) owner: Owner,
    pub(super) key_mode: u32,
    pub(super) folder_mode: u32,
}

impl Marks {
    fn of(self, file: &VersionFile) -> u32 {
        match file.sensitivity {
            Sensitivity::Public => 0o644,
            Sensitivity::Private => self.key_mode,
        }
    }
}

/// The name under which something is made before it takes its own.
pub(super) fn unfinished(name: &str) -> String {
    format!(".{name}{UNFINISHED}")
}

impl Folder {
    pub(super) fn open_root(root: &InstallRoot) -> Result<Self, HostError> {
        let opened = rustix::fs::open(&root.path, FOLDER, Mode::empty());
        let fd = opened.map_err(|cause| HostError::RootMissing {
            root: root.name.clone(),
            path: root.path.display().to_string(),
            source: cause.into(),
        })?;
        Ok(Self { fd, path: root.path.clone() })
    }

    /// A folder at a path below the root; none if it is not there. The kernel refuses a way that leads out.
    pub(super) fn beneath(&self, root: &InstallRoot, path: &Path) -> Result<Option<Self>, HostError> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&self.fd, path, FOLDER, Mode::empty(), resolve) {
            Ok(fd) => Ok(Some(Self { fd, path: self.path.join(path) })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::XDEV | Errno::LOOP) => {
                Err(HostError::LeadsOut { root: root.name.clone(), path: path.display().to_string() })
            }
            Err(Errno::NOTDIR) => Err(self.taken(&path.display().to_string(), "folder")),
            Err(cause) => Err(self.io("open the folder", &path.display().to_string(), cause)),
        }
    }

    /// A folder directly in this one; none if it is not there.
    pub(super) fn child(&self, name: &str) -> Result<Option<Self>, HostError> {
        match rustix::fs::openat(&self.fd, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path: self.path.join(name) })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(self.taken(name, "folder")),
            Err(cause) => Err(self.io("open the folder", name, cause)),
        }
    }

    /// A folder directly in this one, made if it is not there: under a temporary name until its marks are right.
    pub(super) fn child_or_new(&self, name: &str, marks: Marks) -> Result<Self, HostError> {
        if let Some(child) = self.child(name)? {
            return Ok(child);
        }
        let temporary = unfinished(name);
        self.new_child(&temporary, marks)?;
        self.rename(&temporary, name)?;
        self.sync()?;
        self.child(name)?.ok_or_else(|| self.io("open the folder", name, Errno::NOENT))
    }

    /// A new, empty folder; what stood under this name before is taken away.
    pub(super) fn new_child(&self, name: &str, marks: Marks) -> Result<Self, HostError> {
        self.remove_tree(name)?;
        rustix::fs::mkdirat(&self.fd, name, Mode::RWXU).map_err(|cause| self.io("make the folder", name, cause))?;
        let child = self.child(name)?.ok_or_else(|| self.io("open the folder", name, Errno::NOENT))?;
        if marks.owner.group.is_some() {
            let given = rustix::fs::fchown(&child.fd, None, marks.owner.group);
            given.map_err(|cause| self.io("give its group to the folder", name, cause))?;
        }
        let marked = rustix::fs::fchmod(&child.fd, Mode::from_raw_mode(marks.folder_mode));
        marked.map_err(|cause| self.io("set the mode of the folder", name, cause))?;
        Ok(child)
    }

    /// Writes a new file: its owner and mode are right before it has content, and its content is on disk after.
    pub(super) fn write_new(&self, file: &VersionFile, marks: Marks) -> Result<(), HostError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&self.fd, file.name, flags, Mode::RUSR | Mode::WUSR);
        let fd = made.map_err(|cause| self.io("make the file", file.name, cause))?;
        mark(&fd, marks, marks.of(file)).map_err(|cause| self.io("set owner and mode of", file.name, cause))?;
        let mut open = File::from(fd);
        let written = open.write_all(&file.content).and_then(|()| open.sync_all());
        written.map_err(|cause| HostError::io("write", self.show(file.name), cause))
    }

    /// Whether a file is as [`Folder::write_new`] would leave it.
    pub(super) fn holds(&self, file: &VersionFile, marks: Marks) -> Result<bool, HostError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, file.name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(false),
            Err(cause) => return Err(self.io("open", file.name, cause)),
        };
        let facts = rustix::fs::fstat(&fd).map_err(|cause| self.io("look at", file.name, cause))?;
        let is_file = FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile;
        let is_marked = facts.st_mode & 0o7777 == marks.of(file)
            && marks.owner.user.is_none_or(|user| user.as_raw() == facts.st_uid)
            && marks.owner.group.is_none_or(|group| group.as_raw() == facts.st_gid);
        let is_as_long = u64::try_from(facts.st_size).is_ok_and(|size| size == file.content.len() as u64);
        if !(is_file && is_marked && is_as_long) {
            return Ok(false);
        }
        let mut found = zeroize::Zeroizing::new(vec![0; file.content.len()]);
        let read = File::from(fd).read_exact(&mut found);
        Ok(read.is_ok() && *found == *file.content)
    }

    /// Where a link leads; none if nothing stands there.
    pub(super) fn read_link(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        match rustix::fs::readlinkat(&self.fd, name, Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::INVAL) => Err(self.taken(name, "link")),
            Err(cause) => Err(self.io("read the link", name, cause)),
        }
    }

    /// Puts a link in the place of the one before, in one step.
    pub(super) fn replace_link(&self, name: &str, target: &str) -> Result<(), HostError> {
        let temporary = unfinished(name);
        self.unlink(&temporary)?;
        let made = rustix::fs::symlinkat(target, &self.fd, &temporary);
        made.map_err(|cause| self.io("make the link", &temporary, cause))?;
        self.rename(&temporary, name)?;
        self.sync()
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), HostError> {
        let renamed = rustix::fs::renameat(&self.fd, from, &self.fd, to);
        renamed.map_err(|cause| self.io("rename to", to, cause))
    }

    /// Lets two folders change places in one step. Where the file system cannot, the one goes before the other comes.
    pub(super) fn exchange(&self, one: &str, other: &str) -> Result<(), HostError> {
        match rustix::fs::renameat_with(&self.fd, one, &self.fd, other, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                let aside = unfinished(&format!("{other}.aside"));
                self.remove_tree(&aside)?;
                self.rename(other, &aside)?;
                self.rename(one, other)?;
                self.rename(&aside, one)
            }
            Err(cause) => Err(self.io("put in place", other, cause)),
        }
    }

    /// Removes a name that is no folder; harmless if it is not there.
    pub(super) fn unlink(&self, name: &str) -> Result<(), HostError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(cause) => Err(self.io("remove", name, cause)),
        }
    }

    /// Removes a folder if it is empty; harmless if it is not, or is not there.
    pub(super) fn remove_if_empty(&self, name: &str) -> Result<(), HostError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
            Err(cause) => Err(self.io("remove the folder", name, cause)),
        }
    }

    /// Removes a folder and all below it, following no link; harmless if it is not there.
    pub(super) fn remove_tree(&self, name: &str) -> Result<(), HostError> {
        let child = match self.child(name) {
            Ok(Some(child)) => child,
            Ok(None) => return Ok(()),
            Err(HostError::Taken { .. }) => return self.unlink(name),
            Err(error) => return Err(error),
        };
        for inner in child.names()? {
            child.remove_tree(&inner)?;
        }
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(cause) => Err(self.io("remove the folder", name, cause)),
        }
    }

    /// Takes away what interrupted work left under temporary names.
    pub(super) fn sweep(&self) -> Result<(), HostError> {
        let left = |name: &String| name.starts_with('.') && name.ends_with(UNFINISHED);
        self.names()?.iter().filter(|name| left(name)).try_for_each(|name| self.remove_tree(name))
    }

    /// The names in this folder. One that is no text is not of this layout, and is left alone.
    fn names(&self) -> Result<Vec<String>, HostError> {
        let list = |cause: Errno| HostError::io("list", self.path.display().to_string(), cause.into());
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(list)? {
            let entry = entry.map_err(list)?;
            match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        Ok(names)
    }

    pub(super) fn sync(&self) -> Result<(), HostError> {
        rustix::fs::fsync(&self.fd).map_err(|cause| self.io("flush", ".", cause))
    }

    pub(super) fn fd(&self) -> impl AsFd {
        &self.fd
    }

    fn show(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn taken(&self, name: &str, wanted: &'static str) -> HostError {
        HostError::Taken { path: self.show(name), wanted }
    }

    pub(super) fn io(&self, doing: &'static str, name: &str, cause: Errno) -> HostError {
        HostError::io(doing, self.show(name), io::Error::from(cause))
    }
}

/// Gives a file its owner and then its mode, which a change of the owner might touch.
pub(super) fn mark(file: &OwnedFd, marks: Marks, mode: u32) -> Result<(), Errno> {
    if marks.owner.user.is_some() || marks.owner.group.is_some() {
        rustix::fs::fchown(file, marks.owner.user, marks.owner.group)?;
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
}
