//! The data directory: mode 0700, files 0600, all of the daemon's own user.

use std::{
    fs::{self, DirBuilder, File, Metadata},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use super::LifecycleError;

/// The file that says that `init` has begun and not ended.
pub const INCOMPLETE: &str = "init.incomplete";
const STORE: &str = "keywheel.db";

/// A data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// Names a data directory; nothing is looked at yet.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// SQLite's file.
    pub fn store(&self) -> PathBuf {
        self.0.join(STORE)
    }

    /// The user that owns it.
    pub fn owner(&self) -> Result<u32, LifecycleError> {
        fs::metadata(&self.0).map(|found| found.uid()).map_err(|source| self.io("looked at", source))
    }

    /// Makes the directory if it is not there; its parent must be. Answers whether it was made.
    pub fn create(&self) -> Result<bool, LifecycleError> {
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(source) => Err(self.io("made", source)),
        }
    }

    /// Refuses a directory or a file in it that others can reach, or that belongs to somebody else.
    pub fn check(&self) -> Result<(), LifecycleError> {
        let found = match fs::metadata(&self.0) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LifecycleError::Missing { path: self.0.clone() });
            }
            Err(source) => return Err(self.io("looked at", source)),
        };
        if !found.is_dir() {
            return Err(LifecycleError::NotADirectory { path: self.0.clone() });
        }
        check_private(&self.0, &found, 0o700)?;
        for entry in fs::read_dir(&self.0).map_err(|source| self.io("read", source))? {
            let path = entry.map_err(|source| self.io("read", source))?.path();
            let Ok(found) = fs::symlink_metadata(&path) else { continue };
            if found.is_file() {
                check_private(&path, &found, 0o600)?;
            }
        }
        Ok(())
    }

    /// Refuses a directory in which `init` was cut short, or never ran for a store of SQLite.
    pub fn check_initialised(&self, has_own_store: bool) -> Result<(), LifecycleError> {
        self.check_complete()?;
        if has_own_store && !self.store().exists() {
            return Err(LifecycleError::NotInitialised { path: self.0.clone(), file: STORE });
        }
        Ok(())
    }

    /// Refuses a directory in which `init` was cut short.
    pub fn check_complete(&self) -> Result<(), LifecycleError> {
        let marker = self.0.join(INCOMPLETE);
        let Ok(made) = fs::read_to_string(&marker) else { return Ok(()) };
        // The marker goes last: while it is there, what is left can still be told.
        let left = made.lines().map(PathBuf::from).chain([marker]).collect();
        Err(LifecycleError::Incomplete { path: self.0.clone(), left })
    }

    /// Leaves a mark that `init` has begun, with the files that it will make.
    pub fn begin_init(&self, will_make: &[PathBuf]) -> Result<(), LifecycleError> {
        let lines: Vec<String> = will_make.iter().map(|path| path.display().to_string()).collect();
        let marker = self.0.join(INCOMPLETE);
        let written = File::create_new(&marker).and_then(|mut file| {
            io::Write::write_all(&mut file, lines.join("\n").as_bytes())?;
            file.sync_all()
        });
        written.map_err(|source| LifecycleError::Io { path: marker, what: "written", source })?;
        self.sync()
    }

    /// Takes the mark away: what `init` made is durable.
    pub fn end_init(&self) -> Result<(), LifecycleError> {
        self.sync()?;
        fs::remove_file(self.0.join(INCOMPLETE)).map_err(|source| self.io("changed", source))?;
        self.sync()
    }

    fn sync(&self) -> Result<(), LifecycleError> {
        File::open(&self.0).and_then(|dir| dir.sync_all()).map_err(|source| self.io("synced", source))
    }

    fn io(&self, what: &'static str, source: io::Error) -> LifecycleError {
        LifecycleError::Io { path: self.0.clone(), what, source }
    }
}

fn check_private(path: &Path, found: &Metadata, wanted: u32) -> Result<(), LifecycleError> {
    let user = rustix::process::geteuid().as_raw();
    let mode = found.mode() & 0o7777;
    if found.uid() != user {
        return Err(LifecycleError::Owner { path: path.to_owned(), owner: found.uid(), user });
    }
    if mode & 0o077 != 0 {
        return Err(LifecycleError::Mode { path: path.to_owned(), mode, wanted });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn world() -> (tempfile::TempDir, DataDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataDir::new(&folder.path().join("data"));
        assert!(data.create().expect("made"));
        (folder, data)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("own file");
    }

    #[test]
    fn a_directory_that_others_reach_is_refused_with_the_command_that_helps() {
        let (_folder, data) = world();
        data.check().expect("private");
        for mode in [0o750, 0o701, 0o777] {
            set_mode(data.path(), mode);
            let error = data.check().expect_err("open");
            assert!(error.hint().starts_with("run `chmod 700 "), "{}", error.hint());
        }
    }

    #[test]
    fn a_file_that_others_reach_is_refused() {
        let (_folder, data) = world();
        let file = data.path().join("keywheel.db");
        fs::write(&file, "x").expect("written");
        set_mode(&file, 0o640);
        let error = data.check().expect_err("open");
        assert!(error.hint().contains("chmod 600") && error.to_string().contains("0640"), "{error}");
        set_mode(&file, 0o600);
        data.check().expect("private");
    }

    #[test]
    fn an_init_that_was_cut_short_is_told_with_what_is_left() {
        let (_folder, data) = world();
        let key = data.path().join("master.key");
        data.begin_init(std::slice::from_ref(&key)).expect("begun");
        let error = data.check_initialised(true).expect_err("incomplete");
        assert_eq!(error.code(), "init-incomplete");
        assert!(error.hint().contains("master.key") && error.hint().contains(INCOMPLETE));
        data.end_init().expect("ended");
        assert_eq!(data.check_initialised(true).expect_err("no store").code(), "data-dir-not-initialised");
        data.check_initialised(false).expect("its store is elsewhere");
    }

    #[test]
    fn a_missing_directory_is_told_apart() {
        let (folder, data) = world();
        assert!(!data.create().expect("there"));
        assert_eq!(DataDir::new(&folder.path().join("none")).check().expect_err("missing").code(), "data-dir-missing");
    }
}
