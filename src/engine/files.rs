//! Replacing a file below a root: atomically, with its mode and owner set before its content, never through a link
//! that leads out of the root.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Component, Path, PathBuf},
};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, ResolveFlags, Uid};

use super::{Kind, Trouble};

/// Where a file goes, and whose it is.
#[derive(Debug, Clone)]
pub(super) struct FilePlace {
    pub(super) root: PathBuf,
    pub(super) path: PathBuf,
    pub(super) mode: u32,
    pub(super) owner: Option<String>,
    pub(super) group: Option<String>,
}

fn trouble(code: &'static str, sentence: String, hint: &str) -> Trouble {
    Trouble::new(Kind::Invalid, code, sentence, hint)
}

/// Reads a mode such as `0640`; execution, set-id and sticky bits are refused.
pub(super) fn parse_mode(text: &str) -> Result<u32, Trouble> {
    u32::from_str_radix(text, 8).ok().filter(|mode| mode & !0o666 == 0 && mode & 0o600 != 0).ok_or_else(|| {
        let sentence = format!("`{text}` is not the mode of a file that its owner reads or writes");
        trouble("bad-mode", sentence, "write it in octal, such as `0600` or `0640`")
    })
}

/// Refuses a path that is absolute, empty or leads up.
pub(crate) fn check_path(path: &Path) -> Result<(), Trouble> {
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_))) && path.file_name().is_some();
    if is_plain {
        return Ok(());
    }
    let sentence = format!("`{}` is not a path below a root", path.display());
    Err(trouble("bad-path", sentence, "write a relative path without `..`, such as `shop/db.env`"))
}

/// Writes the content to a new file beside the place and renames it there.
pub(super) fn replace(place: &FilePlace, content: &[u8]) -> Result<(), Trouble> {
    check_path(&place.path)?;
    let io = |what: &str, error: std::io::Error| {
        let sentence = format!("cannot {what} `{}` below `{}`: {error}", place.path.display(), place.root.display());
        let hint = "does the folder exist, and may the daemon's user write there?";
        Trouble::new(Kind::Unavailable, "delivery-failed", sentence, hint)
    };
    let folder = open_folder(place).map_err(|error| io("open the folder of", error))?;
    let name = place.path.file_name().expect("checked above").to_string_lossy().into_owned();
    let temporary = format!(".{name}.keywheel");
    // A file that an interrupted try left behind.
    let _ = rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = rustix::fs::openat(&folder, &temporary, flags, Mode::RUSR | Mode::WUSR);
    let mut file = File::from(made.map_err(|error| io("create", error.into()))?);
    let written = set_owner(&file, place)
        .and_then(|()| Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(place.mode))?))
        .and_then(|()| file.write_all(content))
        .and_then(|()| file.sync_all())
        .and_then(|()| Ok(rustix::fs::renameat(&folder, &temporary, &folder, &name)?))
        .and_then(|()| Ok(rustix::fs::fsync(&folder)?));
    written.map_err(|error| {
        let _ = rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty());
        io("write", error)
    })
}

/// Opens the file's folder beneath the root; a link on the way that leads out of the root is refused by the kernel.
fn open_folder(place: &FilePlace) -> std::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let root =
        OpenOptions::new().read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or(0)).open(&place.root)?;
    let parent = place.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(rustix::fs::openat2(&root, parent, flags, Mode::empty(), ResolveFlags::BENEATH)?)
}

fn set_owner(file: &File, place: &FilePlace) -> std::io::Result<()> {
    let uid = place.owner.as_deref().map(|name| look_up(name, "/etc/passwd")).transpose()?;
    let gid = place.group.as_deref().map(|name| look_up(name, "/etc/group")).transpose()?;
    if uid.is_none() && gid.is_none() {
        return Ok(());
    }
    Ok(rustix::fs::fchown(file, uid.map(Uid::from_raw), gid.map(Gid::from_raw))?)
}

/// The number of a user or group: itself, or by its name in the local file (passwd(5), group(5)).
fn look_up(name: &str, file: &str) -> std::io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let lines = std::fs::read_to_string(file)?;
    let found = lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.ok_or_else(|| std::io::Error::other(format!("`{name}` is not in `{file}`")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn place(root: &Path, path: &str) -> FilePlace {
        FilePlace { root: root.to_owned(), path: path.into(), mode: 0o640, owner: None, group: None }
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::write(root.path().join("a.env"), "old").expect("written");
        replace(&place(root.path(), "a.env"), b"new").expect("replaced");
        assert_eq!(std::fs::read_to_string(root.path().join("a.env")).expect("read"), "new");
        assert_eq!(std::fs::metadata(root.path().join("a.env")).expect("there").mode() & 0o7777, 0o640);
        assert_eq!(std::fs::read_dir(root.path()).expect("listed").count(), 1);
    }

    #[test]
    fn nothing_is_written_outside_the_root() {
        let (root, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        symlink(outside.path(), root.path().join("way-out")).expect("linked");
        for path in ["../x", "/x", "", ".", "a/../../x", "way-out/x"] {
            assert!(replace(&place(root.path(), path), b"canary").is_err(), "{path}");
        }
        assert_eq!(std::fs::read_dir(outside.path()).expect("listed").count(), 0);
    }

    #[test]
    fn a_link_in_the_files_place_is_replaced_and_not_followed() {
        let (root, outside) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let victim = outside.path().join("victim");
        std::fs::write(&victim, "intact").expect("written");
        symlink(&victim, root.path().join("a.env")).expect("linked");
        replace(&place(root.path(), "a.env"), b"new").expect("replaced");
        assert_eq!(std::fs::read_to_string(&victim).expect("read"), "intact");
    }

    #[test]
    fn odd_modes_are_refused() {
        for text in ["0777", "4600", "", "rw", "0066"] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
        assert!(parse_mode("0640").is_ok());
    }
}
