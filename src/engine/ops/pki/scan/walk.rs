//! A walk below a scan root. The kernel keeps it there: every file is opened beneath the root, links that lead out of
//! it are refused, folders are not followed through links. What is no plain file is never opened for reading.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Dir, FileType, FsWord, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};
use zeroize::Zeroizing;

use crate::{
    engine::ops::pki::record::issuer_of,
    pki::{
        FileSeen, Form, Looked, Obstacle, Seen, Walk, escape, form_of, problems,
        x509::{Certificate, bundle},
    },
};

/// The longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;
/// How deep folders may lie below the root.
const DEEPEST: usize = 24;
/// The most entries of folders that are looked at.
const MOST_ENTRIES: usize = 200_000;
/// The most files that may hold certificates, and the most certificates in them.
const MOST_FOUND: usize = 5_000;

/// Kinds of file systems that hold no files: what the kernel tells about itself (`linux/magic.h`).
const SPECIAL: [FsWord; 8] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x6367_7270, // cgroup2
    0x0027_e0eb, // cgroup
    0x1cd1,      // devpts
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
];

/// Walks below a root until `is_over`. Errors: the root cannot be opened.
pub(super) fn walk(root: &Path, is_over: &dyn Fn() -> bool) -> io::Result<Walk> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let root = rustix::fs::open(root, flags, Mode::empty())?;
    let mut walker =
        Walker { root, is_over, entries: 0, found: 0, seen: BTreeMap::new(), files: Vec::new(), walk: Walk::default() };
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        match walker.list(&folder) {
            Ok(below) => open.extend(below),
            Err(error) if folder.as_os_str().is_empty() => return Err(error.into()),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(_) => walker.walk.closed.push(escaped(&folder)),
        }
    }
    Ok(walker.into_walk())
}

fn escaped(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}

/// A file that was looked at: the paths that lead to it, those through links first.
struct Visited {
    paths: Vec<(bool, String)>,
    looked: Looked,
}

struct Walker<'w> {
    root: OwnedFd,
    is_over: &'w dyn Fn() -> bool,
    entries: usize,
    found: usize,
    /// The place in `files` of what was looked at, by device and number; none where it holds nothing.
    seen: BTreeMap<(u64, u64), Option<usize>>,
    files: Vec<Visited>,
    walk: Walk,
}

impl Walker<'_> {
    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// Looks at what lies in a folder; answers the folders in it.
    fn list(&mut self, folder: &Path) -> Result<Vec<PathBuf>, Errno> {
        let opened = self.open(folder, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW)?;
        if is_special(&opened)? {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(&opened)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push((name.to_vec(), entry.file_type()));
            }
            if self.entries + names.len() > MOST_ENTRIES {
                break;
            }
        }
        names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut below = Vec::new();
        for (name, kind) in names {
            self.entries += 1;
            if self.entries > MOST_ENTRIES || self.found >= MOST_FOUND || (self.is_over)() {
                self.walk.is_cut = true;
                return Ok(Vec::new());
            }
            let path = folder.join(OsStr::from_bytes(&name));
            match kind {
                FileType::Directory if path.components().count() > DEEPEST => self.walk.closed.push(escaped(&path)),
                FileType::Directory => below.push(path),
                FileType::RegularFile | FileType::Symlink | FileType::Unknown => {
                    if let Some(folder) = self.visit(path, kind) {
                        below.push(folder);
                    }
                }
                _ => {}
            }
        }
        below.reverse();
        Ok(below)
    }

    /// Looks at a file or at what a link leads to; answers the path where it is a folder itself.
    fn visit(&mut self, path: PathBuf, kind: FileType) -> Option<PathBuf> {
        // A handle that reads nothing: what it is comes first.
        let flags = if kind == FileType::Unknown { OFlags::PATH | OFlags::NOFOLLOW } else { OFlags::PATH };
        let stat = match self.open(&path, flags).and_then(rustix::fs::fstat) {
            Ok(stat) => stat,
            Err(Errno::ACCESS | Errno::IO) => {
                self.walk.closed.push(escaped(&path));
                return None;
            }
            // A link that leads nowhere, out of the root, or in a circle.
            Err(_) => return None,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if kind == FileType::Unknown => return Some(path),
            FileType::Symlink if kind == FileType::Unknown => return self.visit(path, FileType::Symlink),
            FileType::RegularFile => self.look_once(&path, kind == FileType::Symlink, &stat),
            _ => {}
        }
        None
    }

    fn look_once(&mut self, path: &Path, is_link: bool, stat: &Stat) {
        let paths = (is_link, escaped(path));
        let key = (stat.st_dev, stat.st_ino);
        if let Some(known) = self.seen.get(&key) {
            if let Some(visited) = known.and_then(|at| self.files.get_mut(at)) {
                visited.paths.push(paths);
            }
            return;
        }
        let looked = self.look(path, stat);
        let place = looked.map(|looked| {
            self.found += if let Looked::Leaves(leaves) = &looked { leaves.len() } else { 1 };
            self.files.push(Visited { paths: vec![paths], looked });
            self.files.len() - 1
        });
        self.seen.insert(key, place);
    }

    /// What a plain file holds; nothing where it has nothing to do with certificates.
    fn look(&mut self, path: &Path, before: &Stat) -> Option<Looked> {
        let size = u64::try_from(before.st_size).unwrap_or(0);
        let bytes = if size > LONGEST { Ok(None) } else { self.bytes_of(path, before, size).map(Some) };
        match bytes {
            Ok(Some(bytes)) if bytes.len() as u64 <= LONGEST => return read(&bytes),
            Ok(_) => drop(self.walk.large.insert(escaped(path))),
            Err(_) => self.walk.closed.push(escaped(path)),
        }
        None
    }

    /// The bytes of a plain file, and one more than the most where it has grown beyond that.
    fn bytes_of(&self, path: &Path, before: &Stat, size: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        let opened = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let now = rustix::fs::fstat(&opened)?;
        // It may have been put in the other's place meanwhile.
        if (now.st_dev, now.st_ino, now.st_mode) != (before.st_dev, before.st_ino, before.st_mode) {
            return Err(Errno::STALE.into());
        }
        // Room for everything at once: a buffer that grows leaves copies behind, and there may be keys in it.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
        File::from(opened).take(LONGEST + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn into_walk(mut self) -> Walk {
        self.walk.files = self.files.into_iter().map(Visited::into_file).collect();
        self.walk
    }
}

impl Visited {
    fn into_file(mut self) -> FileSeen {
        self.paths.sort_unstable_by(|one, other| (!one.0, &one.1).cmp(&(!other.0, &other.1)));
        let is_linked = self.paths.iter().any(|(is_link, _)| *is_link);
        FileSeen { paths: self.paths.into_iter().map(|(_, path)| path).collect(), is_linked, looked: self.looked }
    }
}

fn is_special(folder: &OwnedFd) -> Result<bool, Errno> {
    Ok(SPECIAL.contains(&rustix::fs::fstatfs(folder)?.f_type))
}

/// The leaves in the bytes of a file.
fn read(bytes: &[u8]) -> Option<Looked> {
    let form = form_of(bytes)?;
    match bundle::read_any(bytes, None) {
        Ok(found) => {
            let leaves = leaves(&found);
            (!leaves.is_empty()).then_some(Looked::Leaves(leaves))
        }
        Err(bundle::BundleError::NoPassword) => Some(Looked::Closed(Obstacle::NeedsPassword)),
        // Much begins like DER, and a text may speak of certificates.
        Err(error) if form == Form::Der || error.code() == "certificate-missing" => None,
        Err(error) => Some(Looked::Closed(Obstacle::Damaged(error.code().to_owned()))),
    }
}

/// The leaves of a bundle, each of them a single time. One that may sign others counts as a leaf where it names hosts:
/// so are many that sign themselves.
fn leaves(found: &[Certificate]) -> Vec<Seen> {
    let mut leaves: Vec<Seen> = Vec::new();
    for one in found.iter().map(Certificate::facts) {
        let is_leaf = !one.is_authority || !one.names.is_empty();
        if is_leaf && !leaves.iter().any(|known| known.sha256 == one.sha256) {
            let others: Vec<_> =
                found.iter().map(Certificate::facts).filter(|other| other.sha256 != one.sha256).collect();
            leaves.push(Seen::of(one, issuer_of(one), problems(one, &others, false)));
        }
    }
    leaves
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn paths(walk: &Walk) -> Vec<&str> {
        walk.files.iter().map(|file| file.paths[0].as_str()).collect()
    }

    #[test]
    fn a_walk_stays_below_its_root_and_opens_plain_files_alone() {
        let (root, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let below = |name: &str| root.path().join(name);
        // Without a password it tells what it is, and nothing more is needed here.
        let pkcs12 = [0x30, 3, 2, 1, 3];
        std::fs::write(outside.path().join("secret.p12"), pkcs12).expect("written");
        std::fs::create_dir(below("d")).expect("made");
        std::fs::write(below("d/a.p12"), pkcs12).expect("written");
        std::fs::write(below("key.der"), [0x30, 3, 2, 1, 0]).expect("written");
        std::fs::write(below("huge"), vec![b'x'; 10 << 20]).expect("written");
        symlink(outside.path().join("secret.p12"), below("out")).expect("linked");
        symlink("../".repeat(9) + "etc/passwd", below("up")).expect("linked");
        symlink(outside.path(), below("way-out")).expect("linked");
        symlink("d", below("way-in")).expect("linked");
        symlink("d/a.p12", below("link")).expect("linked");
        symlink("circle", below("circle")).expect("linked");
        rustix::fs::mknodat(rustix::fs::CWD, below("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("made");
        let walk = walk(root.path(), &|| false).expect("walked");
        assert_eq!(paths(&walk), ["link"]);
        assert!(walk.large.contains("huge"));
        assert_eq!(walk.files[0].paths, ["link", "d/a.p12"]);
        assert!(walk.files[0].is_linked && walk.files[0].looked == Looked::Closed(Obstacle::NeedsPassword));
        assert!(walk.closed.is_empty() && !walk.is_cut);
    }

    #[test]
    fn a_walk_ends_when_it_is_told_to_and_says_that_it_was_cut() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::write(root.path().join("a"), "x").expect("written");
        assert!(walk(root.path(), &|| true).expect("walked").is_cut);
        assert!(walk(Path::new("/proc/self"), &|| false).expect("walked").files.is_empty());
        assert!(walk(&root.path().join("nowhere"), &|| false).is_err());
    }

    #[test]
    fn folders_that_lie_too_deep_are_told() {
        let root = tempfile::tempdir().expect("a folder");
        let deep = vec!["d"; DEEPEST + 1].join("/");
        std::fs::create_dir_all(root.path().join(&deep)).expect("made");
        assert_eq!(walk(root.path(), &|| false).expect("walked").closed, [deep]);
    }
}
