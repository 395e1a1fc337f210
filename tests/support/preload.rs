//! Faults inside the process: crash points, disk errors, and the record that proves an order.
//!
//! [`Faults`] builds the environment under which a program meets the library in
//! `preload/faults.c`, which is compiled by `cc` at first use. A fault that is injected leaves a line
//! in the file behind [`Faults::fired`]; a test that injects one reads it, or proves nothing.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use super::recording::{Point, parse_record};

const SOURCE: &str = include_str!("preload/faults.c");

/// Where the kill falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The call was not made.
    Before,
    /// The call was made and its result never seen.
    After,
    /// Half of the first piece of bytes went through.
    Torn,
}

/// How long an error lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// The n-th call fails, later ones work.
    Once,
    /// The n-th and all later calls fail, until the faults are disarmed.
    Forever,
}

/// A plan of faults, its files in a folder of the test's own.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    folder: PathBuf,
    stores: Vec<String>,
    peers: Vec<String>,
    marks: Vec<String>,
    kills: Vec<String>,
    errors: Vec<String>,
    room: Option<u64>,
}

impl Faults {
    /// A plan without faults that records every point while it is armed.
    pub(crate) fn new(folder: &Path) -> Self {
        let none = Vec::new;
        Self {
            folder: folder.to_owned(),
            stores: none(),
            peers: none(),
            marks: none(),
            kills: none(),
            errors: none(),
            room: None,
        }
    }

    /// Watches files whose absolute path begins with `prefix`; a folder when it ends with `/`.
    pub(crate) fn store(mut self, prefix: &Path) -> Self {
        self.stores.push(prefix.display().to_string());
        self
    }

    /// Watches what is sent to `peer`.
    pub(crate) fn peer(mut self, peer: SocketAddr) -> Self {
        self.peers.push(peer.to_string());
        self
    }

    /// Watches what is sent to the unix socket at `path`.
    pub(crate) fn peer_socket(mut self, path: &Path) -> Self {
        self.peers.push(path.display().to_string());
        self
    }

    /// Names points whose bytes contain `text` in the record.
    pub(crate) fn mark(mut self, text: &str) -> Self {
        self.marks.push(text.to_owned());
        self
    }

    /// Kills at a point: `sync:3`, `send@127.0.0.1:5432:2`, `any:7`.
    pub(crate) fn kill(mut self, point: &str, when: When) -> Self {
        let when = match when {
            When::Before => "before",
            When::After => "after",
            When::Torn => "torn",
        };
        self.kills.push(format!("{point}:{when}"));
        self
    }

    /// Lets a point fail with an error of `errno.h`, as in `ENOSPC`.
    pub(crate) fn error(mut self, point: &str, errno: &str, lasting: Lasting) -> Self {
        let lasting = match lasting {
            Lasting::Once => "once",
            Lasting::Forever => "forever",
        };
        self.errors.push(format!("{point}:{errno}:{lasting}"));
        self
    }

    /// Makes a disk of the watched files that has `bytes` left; deleting and truncating give back.
    pub(crate) fn room(mut self, bytes: u64) -> Self {
        self.room = Some(bytes);
        self
    }

    /// Forgets the faults and keeps what is watched, for the restart after a crash.
    pub(crate) fn without_faults(&self) -> Self {
        Self { kills: Vec::new(), errors: Vec::new(), room: None, ..self.clone() }
    }

    /// Lets points count from now on.
    pub(crate) fn arm(&self) -> Result<()> {
        fs::write(self.folder.join("armed"), "").context("arm the faults")
    }

    /// Lets everything pass from now on, uncounted: the disk is mended, the upkeep runs.
    pub(crate) fn disarm(&self) -> Result<()> {
        fs::remove_file(self.folder.join("armed")).context("disarm the faults")
    }

    /// The lines of the faults that were really injected: kind, label, ordinal, what; by tabs.
    pub(crate) fn fired(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("fired")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The points so far, in order. A process that still runs may append.
    pub(crate) fn record(&self) -> Result<Vec<Point>> {
        parse_record(&fs::read_to_string(self.folder.join("record")).unwrap_or_default())
    }

    /// Empties record and marker, before the next run in the same folder.
    pub(crate) fn forget(&self) {
        for name in ["record", "fired"] {
            let _ = fs::remove_file(self.folder.join(name));
        }
    }

    /// The variables to start a program with. Compiles the library when nobody has yet.
    pub(crate) fn env(&self) -> Result<Vec<(String, String)>> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let mut env = vec![
            ("LD_PRELOAD".to_owned(), library()?.display().to_string()),
            ("KW_FAULT_ARM".to_owned(), file("armed")),
            ("KW_FAULT_RECORD".to_owned(), file("record")),
            ("KW_FAULT_FIRED".to_owned(), file("fired")),
        ];
        let lists = [
            ("KW_FAULT_STORE", &self.stores),
            ("KW_FAULT_PEER", &self.peers),
            ("KW_FAULT_MARK", &self.marks),
            ("KW_FAULT_KILL", &self.kills),
            ("KW_FAULT_ERROR", &self.errors),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            env.push((name.to_owned(), list.join(",")));
        }
        env.extend(self.room.map(|bytes| ("KW_FAULT_ROOM".to_owned(), bytes.to_string())));
        Ok(env)
    }
}

/// The compiled library.
fn library() -> Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built =
        BUILT.get_or_init(|| compile("faults", SOURCE, &["-fPIC", "-shared"]).map_err(|error| format!("{error:#}")));
    built.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

/// Compiles a C source under the target folder; processes that do so at once do not disturb each other.
pub(crate) fn compile(name: &str, source: &str, flags: &[&str]) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(folder).context("make the folder of temporary files")?;
    let stem = folder.join(format!("{name}-{}", std::process::id()));
    let code = stem.with_extension("c");
    fs::write(&code, source).context("write the source")?;
    let output = Command::new("cc")
        .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror"])
        .args(flags)
        .arg(&code)
        .arg("-o")
        .arg(&stem)
        .output()
        .context("run `cc`; the tests need a C compiler")?;
    ensure!(output.status.success(), "`cc` refused {name}.c: {}", String::from_utf8_lossy(&output.stderr));
    fs::remove_file(&code).context("remove the source")?;
    Ok(stem)
}

mod tests;
