//! Readers during 20,000 switches: who opens the folder one time never sees a mixed pair.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use rustix::fs::{Mode, OFlags};

use super::*;

const SWITCHES: usize = 20_000;

/// In memory where that is possible: 20,000 flushes of a disk prove nothing more.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

fn read_at(folder: &OwnedFd, name: &str) -> String {
    let opened = rustix::fs::openat(folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).expect("there");
    let mut text = String::new();
    File::from(opened).read_to_string(&mut text).expect("read");
    text
}

fn pair_from_one_folder(current: &Path) -> bool {
    let folder = rustix::fs::open(current, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let folder = folder.expect("there");
    read_at(&folder, "key.pem") == read_at(&folder, "cert.pem")
}

fn pair_in_one_file(current: &Path) -> bool {
    let text = std::fs::read_to_string(current.join("combined.pem")).expect("there");
    text.split_once(' ').is_some_and(|(key, cert)| key == cert)
}

fn pair_from_two_paths(current: &Path) -> bool {
    let read = |name| std::fs::read_to_string(current.join(name)).expect("there");
    read("key.pem") == read("cert.pem")
}

fn version(text: &str) -> Vec<VersionFile> {
    vec![
        VersionFile::private("key.pem", text),
        VersionFile::public("cert.pem", text),
        VersionFile::private("combined.pem", format!("{text} {text}")),
    ]
}

/// Reads until the writer is done; returns how many pairs were read and how many of them were mixed.
fn watch(is_over: &AtomicBool, mixed: &AtomicU64, is_pair: impl Fn() -> bool) -> u64 {
    let mut reads = 0;
    while !is_over.load(Ordering::Relaxed) {
        reads += 1;
        if !is_pair() {
            mixed.fetch_add(1, Ordering::Relaxed);
        }
    }
    reads
}

#[test]
fn who_opens_the_folder_or_one_file_never_sees_a_mixed_pair() {
    let root = folder();
    let install_root = InstallRoot::new("web", root.path(), InstallRules::default());
    let place = Place::new(&install_root, vec!["shop".to_owned()]).expect("plain");
    let names = ["a1", "b2"].map(|text| VersionName::parse(text).expect("plain"));
    for name in &names {
        layout::install(&place, name, &version(name.as_str())).expect("installed");
    }
    layout::switch(&place, &names[0]).expect("switched");

    let current = place.path().join("current");
    let is_over = AtomicBool::new(false);
    let mixed: [AtomicU64; 3] = Default::default();
    let readers: [fn(&Path) -> bool; 3] = [pair_from_one_folder, pair_in_one_file, pair_from_two_paths];
    let reads = std::thread::scope(|scope| {
        let begin = |(reader, mixed)| {
            let (is_over, current): (&AtomicBool, &Path) = (&is_over, &current);
            let reader: fn(&Path) -> bool = reader;
            scope.spawn(move || watch(is_over, mixed, || reader(current)))
        };
        let watching: Vec<_> = readers.into_iter().zip(&mixed).map(begin).collect();
        for turn in 0..SWITCHES {
            layout::switch(&place, &names[(turn + 1) % 2]).expect("switched");
        }
        is_over.store(true, Ordering::Relaxed);
        watching.into_iter().map(|thread| thread.join().expect("no reader failed")).collect::<Vec<u64>>()
    });
    let [folder, file, paths] = mixed.map(AtomicU64::into_inner);
    assert_eq!((folder, file), (0, 0), "of {reads:?} reads");
    assert!(reads.iter().all(|reads| *reads > 100), "{reads:?}");
    // The control: the race is there for those who go through the link two times.
    assert!(paths > 0, "of {} reads", reads[2]);
}
