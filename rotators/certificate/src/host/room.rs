//! What can be known before anything is written: may the daemon write there, as whom, and is there room.

use rustix::{
    fs::{Access, AtFlags, Mode, OFlags},
    io::Errno,
};

use super::{
    HostError, Linked, Place, Room, VersionFile,
    folder::{Folder, Marks, mark},
    layout,
};

/// Beyond the files themselves: folders, the link, and room that others may take meanwhile.
const MARGIN: u64 = 64 * 1024;

/// Files, folders and the link of one version, and the folders on the way to it.
const INODES: u64 = 16;

/// Looks, and leaves nothing: a file without a name tries owner and mode where the file system can make one.
pub(super) fn look(place: &Place, files: &[VersionFile]) -> Result<Room, HostError> {
    let marks = layout::marks_of(place)?;
    let (folder, missing) = layout::deepest(place)?;
    let linked = if missing == 0 { layout::linked(place)? } else { Linked::Nothing };
    try_unnamed(&folder, marks)?;
    let free = measure(place, &folder, files)?;
    Ok(Room { free, linked })
}

fn try_unnamed(folder: &Folder, marks: Marks) -> Result<(), HostError> {
    let writable = rustix::fs::accessat(folder.fd(), ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    writable.map_err(|cause| folder.io("write to", ".", cause))?;
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(folder.fd(), ".", flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => {
            let marked = mark(&file, marks, marks.key_mode);
            marked.map_err(|cause| folder.io("give files their owner and mode below", ".", cause))
        }
        Err(Errno::NOTSUP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(cause) => Err(folder.io("make a file in", ".", cause)),
    }
}

fn measure(place: &Place, folder: &Folder, files: &[VersionFile]) -> Result<u64, HostError> {
    let facts = rustix::fs::fstatvfs(folder.fd()).map_err(|cause| folder.io("measure", ".", cause))?;
    let block = facts.f_frsize.max(1);
    let free = facts.f_bavail.saturating_mul(block);
    let wanted: u64 = files.iter().map(|file| (file.content.len() as u64).div_ceil(block) * block).sum();
    // Some file systems count no inodes and say zero.
    let inodes = (facts.f_files > 0).then_some(facts.f_favail);
    match lack(free, wanted.saturating_add(MARGIN), inodes) {
        None => Ok(free),
        Some(because) => {
            Err(HostError::NoRoom { doing: "install to", path: place.path().display().to_string(), because })
        }
    }
}

/// What there is too little of, if anything.
fn lack(free: u64, wanted: u64, inodes: Option<u64>) -> Option<String> {
    if free < wanted {
        return Some(format!("{free} bytes are free, {wanted} are needed"));
    }
    inodes.filter(|inodes| *inodes < INODES).map(|inodes| format!("{inodes} inodes are free, {INODES} are needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_inodes_are_both_needed() {
        assert_eq!(lack(100, 100, None), None);
        assert_eq!(lack(100, 100, Some(INODES)), None);
        assert!(lack(99, 100, None).is_some_and(|lack| lack.contains("bytes")));
        assert!(lack(100, 100, Some(INODES - 1)).is_some_and(|lack| lack.contains("inodes")));
    }
}
