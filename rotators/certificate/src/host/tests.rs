//! Installation tried on real folders.

use std::{
    os::unix::fs::{MetadataExt, symlink},
    path::Path,
    process::Command,
};

use tempfile::TempDir;

use super::*;

struct Bench {
    root: TempDir,
    installer: Installer,
}

fn bench_of(rules: InstallRules) -> Bench {
    let root = tempfile::tempdir().expect("a folder");
    let place = Place::new(&InstallRoot::new("web", root.path(), rules), vec!["shop".to_owned()]).expect("plain");
    Bench { installer: Installer::new(place), root }
}

fn bench() -> Bench {
    bench_of(InstallRules::default())
}

fn name(text: &str) -> VersionName {
    VersionName::parse(text).expect("plain")
}

fn files(text: &str) -> Vec<VersionFile> {
    vec![
        VersionFile::private("key.pem", format!("key {text}")),
        VersionFile::public("cert.pem", format!("cert {text}")),
        VersionFile::private("combined.pem", format!("key {text} cert {text}")),
    ]
}

impl Bench {
    async fn bring(&self, version: &str) {
        self.installer.install(&name(version), files(version)).await.expect("installed");
        self.installer.switch(&name(version)).await.expect("switched");
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.root.path().join("shop").join(below)
    }

    fn read(&self, below: &str) -> String {
        std::fs::read_to_string(self.path(below)).unwrap_or_else(|cause| panic!("{below}: {cause}"))
    }

    fn mode(&self, below: &str) -> u32 {
        std::fs::metadata(self.path(below)).expect("there").mode() & 0o7777
    }
}

fn names_in(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).expect("listed");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_version_is_read_through_the_link_and_the_old_one_stays_until_it_is_removed() {
    let bench = bench();
    assert_eq!(bench.installer.linked().await.expect("read"), Linked::Nothing);
    bench.bring("a1").await;
    bench.bring("b2").await;
    assert_eq!(bench.read("current/key.pem"), "key b2");
    assert_eq!(bench.read("versions/a1/key.pem"), "key a1");
    assert_eq!(bench.installer.linked().await.expect("read"), Linked::Version(name("b2")));
    bench.installer.remove(&name("a1")).await.expect("removed");
    bench.installer.remove(&name("a1")).await.expect("removed twice");
    assert_eq!(names_in(&bench.path("versions")), ["b2"]);
}

#[tokio::test]
async fn a_version_in_use_is_not_removed() {
    let bench = bench();
    bench.bring("a1").await;
    let refused = bench.installer.remove(&name("a1")).await;
    assert!(matches!(refused, Err(HostError::Live(_))), "{refused:?}");
    assert_eq!(bench.read("current/key.pem"), "key a1");
}

#[tokio::test]
async fn the_first_version_can_be_taken_away_whole() {
    let bench = bench();
    bench.bring("a1").await;
    bench.installer.take_away(&name("a1")).await.expect("taken away");
    bench.installer.take_away(&name("a1")).await.expect("twice");
    assert_eq!(names_in(&bench.path("")), Vec::<String>::new());
}

#[tokio::test]
async fn a_link_is_never_left_to_nothing() {
    let bench = bench();
    assert!(bench.installer.switch(&name("a1")).await.is_err());
    bench.bring("a1").await;
    assert!(bench.installer.switch(&name("b2")).await.is_err());
    assert_eq!(bench.read("current/key.pem"), "key a1");
}

#[tokio::test]
async fn what_an_interrupted_installation_left_is_mended() {
    let bench = bench();
    std::fs::create_dir_all(bench.path("versions/a1")).expect("made");
    std::fs::write(bench.path("versions/a1/key.pem"), "ke").expect("written");
    std::fs::create_dir_all(bench.path("versions/.zz.keywheel")).expect("made");
    std::fs::write(bench.path("versions/.zz.keywheel/key.pem"), "key zz").expect("written");
    symlink("versions/gone", bench.path(".current.keywheel")).expect("linked");
    bench.bring("a1").await;
    assert_eq!(names_in(&bench.path("")), ["current", "versions"]);
    assert_eq!(names_in(&bench.path("versions")), ["a1"]);
    assert_eq!((bench.read("current/key.pem"), bench.mode("current/key.pem")), ("key a1".to_owned(), 0o600));
}

#[tokio::test]
async fn content_that_was_changed_by_hand_is_written_again_and_right_content_is_left_alone() {
    let bench = bench();
    bench.bring("a1").await;
    let inode = |bench: &Bench| std::fs::metadata(bench.path("current/key.pem")).expect("there").ino();
    let before = inode(&bench);
    bench.bring("a1").await;
    assert_eq!(inode(&bench), before, "complete: not written again");
    for disturb in [
        |bench: &Bench| std::fs::write(bench.path("current/cert.pem"), "cert XX").expect("written"),
        |bench: &Bench| std::fs::remove_file(bench.path("current/combined.pem")).expect("removed"),
        |bench: &Bench| {
            std::fs::remove_file(bench.path("current/cert.pem")).expect("removed");
            symlink("/etc/passwd", bench.path("current/cert.pem")).expect("linked");
        },
    ] {
        disturb(&bench);
        bench.bring("a1").await;
        assert_eq!(bench.read("current/cert.pem"), "cert a1");
        assert_eq!(names_in(&bench.path("current/")), ["cert.pem", "combined.pem", "key.pem"]);
        assert_eq!(names_in(&bench.path("versions")), ["a1"]);
    }
}

#[tokio::test]
async fn nothing_is_written_through_a_link_that_leads_out() {
    let (bench, outside) = (bench(), tempfile::tempdir().expect("a folder"));
    symlink(outside.path(), bench.root.path().join("shop")).expect("linked");
    let refused = bench.installer.install(&name("a1"), files("a1")).await;
    assert!(matches!(refused, Err(HostError::LeadsOut { .. })), "{refused:?}");
    std::fs::remove_file(bench.root.path().join("shop")).expect("removed");
    std::fs::create_dir(bench.root.path().join("shop")).expect("made");
    symlink(outside.path(), bench.path("versions")).expect("linked");
    let refused = bench.installer.install(&name("a1"), files("a1")).await;
    assert!(matches!(refused, Err(HostError::Taken { .. })), "{refused:?}");
    assert_eq!(names_in(outside.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_tree_is_removed_without_following_links() {
    let (bench, outside) = (bench(), tempfile::tempdir().expect("a folder"));
    std::fs::write(outside.path().join("victim"), "intact").expect("written");
    bench.bring("a1").await;
    bench.bring("b2").await;
    symlink(outside.path(), bench.path("versions/a1/way-out")).expect("linked");
    bench.installer.remove(&name("a1")).await.expect("removed");
    assert_eq!(names_in(outside.path()), ["victim"]);
}

#[tokio::test]
async fn a_file_in_the_links_place_is_said_and_not_replaced() {
    let bench = bench();
    std::fs::create_dir(bench.path("")).expect("made");
    std::fs::write(bench.path("current"), "by hand").expect("written");
    assert!(matches!(bench.installer.look(files("a1")).await, Err(HostError::Taken { .. })));
    bench.installer.install(&name("a1"), files("a1")).await.expect("installed");
    assert!(matches!(bench.installer.switch(&name("a1")).await, Err(HostError::Taken { .. })));
    assert_eq!(bench.read("current"), "by hand");
}

#[tokio::test]
async fn a_look_leaves_nothing_and_says_what_is_missing() {
    let bench = bench();
    assert!(bench.installer.look(files("a1")).await.expect("room").free > 0);
    assert_eq!(names_in(bench.root.path()), Vec::<String>::new());
    let root = InstallRoot::new("web", bench.root.path().join("gone"), InstallRules::default());
    let gone = Installer::new(Place::new(&root, vec!["shop".to_owned()]).expect("plain"));
    assert!(matches!(gone.look(files("a1")).await, Err(HostError::RootMissing { .. })));
    let rules = InstallRules { owner: Some("nobody-of-this-name".to_owned()), ..InstallRules::default() };
    assert!(matches!(bench_of(rules).installer.look(files("a1")).await, Err(HostError::UnknownOwner { .. })));
}

/// Runs one ignored test of this file in a process of its own, after shell commands that set limits there.
fn in_child(test: &str, limits: &str) {
    let me = std::env::current_exe().expect("a path");
    let script = format!("{limits}; exec \"$0\" --exact --ignored host::tests::{test}");
    let output = Command::new("/bin/sh").arg("-c").arg(script).arg(me).output().expect("started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn modes_are_right_under_any_mask() {
    in_child("child_modes", "umask 000");
    in_child("child_modes", "umask 077");
}

#[tokio::test]
#[ignore = "run by `modes_are_right_under_any_mask` with a mask of its own"]
async fn child_modes() {
    let rules =
        InstallRules { key_mode: KeyMode::OwnerAndGroup, folder_mode: FolderMode::OwnerAndGroup, ..Default::default() };
    for (rules, key, folder) in [(InstallRules::default(), 0o600, 0o755), (rules, 0o640, 0o750)] {
        let bench = bench_of(rules);
        bench.bring("a1").await;
        for private in ["current/key.pem", "current/combined.pem"] {
            assert_eq!(bench.mode(private), key, "{private}");
        }
        assert_eq!(bench.mode("current/cert.pem"), 0o644);
        for path in ["", "versions", "versions/a1"] {
            assert_eq!(bench.mode(path), folder, "{path}");
        }
    }
}

#[tokio::test]
async fn files_become_the_owners_and_folders_stay_the_daemons() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let rules = InstallRules { owner: Some("12".to_owned()), group: Some("34".to_owned()), ..Default::default() };
    let bench = bench_of(rules);
    bench.bring("a1").await;
    let whose = |below: &str| {
        let facts = std::fs::metadata(bench.path(below)).expect("there");
        (facts.uid(), facts.gid())
    };
    assert_eq!((whose("current/key.pem"), whose("current/cert.pem")), ((12, 34), (12, 34)));
    assert_eq!((whose(""), whose("versions"), whose("versions/a1")), ((0, 34), (0, 34), (0, 34)));
}

#[test]
fn a_file_that_cannot_be_written_whole_leaves_the_version_before_in_use() {
    in_child("child_no_room", "trap '' XFSZ; ulimit -f 8");
}

#[tokio::test]
#[ignore = "run by `a_file_that_cannot_be_written_whole_leaves_the_version_before_in_use` with a limit of its own"]
async fn child_no_room() {
    let bench = bench();
    bench.bring("a1").await;
    let mut large = files("b2");
    large.push(VersionFile::public("chain.pem", "x".repeat(100_000)));
    let failed = bench.installer.install(&name("b2"), large).await;
    assert!(matches!(failed, Err(HostError::NoRoom { .. })), "{failed:?}");
    assert_eq!(names_in(&bench.path("versions")), ["a1"]);
    assert_eq!(bench.read("current/key.pem"), "key a1");
}

#[tokio::test]
async fn work_that_was_given_up_is_waited_for() {
    let bench = bench();
    let turn = std::sync::Arc::clone(&bench.installer.place().root.turn).lock_owned().await;
    let installer = bench.installer.clone();
    let later = tokio::spawn(async move { installer.linked().await });
    tokio::task::yield_now().await;
    assert!(!later.is_finished());
    drop(turn);
    assert_eq!(later.await.expect("ended").expect("read"), Linked::Nothing);
}
