//! http-01 by a web server that already runs: files below its root.
//!
//! Nothing is followed on the way down: a link in place of one of the two folders is refused. A file appears whole,
//! under its name, or not at all. A crash leaves a file that is of no use and that the next order does not mind.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, mkdirat, open, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::proof::{Challenge, Presented, Proof, Solver};
use crate::acme::AcmeError;

const FOLDERS: [&str; 2] = [".well-known", "acme-challenge"];

/// Shows proofs as files below the root of a web server.
#[derive(Debug, Clone)]
pub struct Webroot {
    root: PathBuf,
}

impl Webroot {
    /// Writes below the given root, which exists.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

#[async_trait]
impl Solver for Webroot {
    fn challenge(&self) -> Challenge {
        Challenge::Http01
    }

    async fn present(&self, proofs: &[Proof]) -> Result<Box<dyn Presented>, AcmeError> {
        let folder = folder_below(&self.root).map_err(|cause| cannot_write(&self.root, cause))?;
        let mut files = Files { folder, names: Vec::new() };
        for proof in proofs {
            files.write(proof).map_err(|cause| cannot_write(&self.root, cause))?;
        }
        Ok(Box::new(files))
    }
}

struct Files {
    folder: OwnedFd,
    names: Vec<String>,
}

impl Files {
    fn write(&mut self, proof: &Proof) -> Result<(), Errno> {
        let draft = format!(".{}.new", proof.token());
        // Left behind by a crash.
        let _ = unlinkat(&self.folder, draft.as_str(), AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.folder, draft.as_str(), flags, Mode::from_raw_mode(0o644))?;
        self.names.push(draft.clone());
        // Whatever the umask says: the web server reads it as somebody else.
        fchmod(&file, Mode::from_raw_mode(0o644))?;
        let mut file = std::fs::File::from(file);
        file.write_all(proof.text().as_bytes()).map_err(|cause| Errno::from_io_error(&cause).unwrap_or(Errno::IO))?;
        renameat(&self.folder, draft.as_str(), &self.folder, proof.token())?;
        self.names.push(proof.token().to_owned());
        Ok(())
    }
}

#[async_trait]
impl Presented for Files {
    async fn withdraw(self: Box<Self>) {}
}

impl Drop for Files {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = unlinkat(&self.folder, name.as_str(), AtFlags::empty());
        }
    }
}

fn folder_below(root: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = open(root, flags, Mode::empty())?;
    for name in FOLDERS {
        let made = match mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(cause) => return Err(cause),
        };
        at = openat(&at, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        if made {
            fchmod(&at, Mode::from_raw_mode(0o755))?;
        }
    }
    Ok(at)
}

fn cannot_write(root: &Path, cause: Errno) -> AcmeError {
    let root = root.display();
    AcmeError::misconfigured(
        "target.acme.webroot",
        "acme-webroot-unwritable",
        format!("cannot write the challenge's file below `{root}`: {cause}"),
        format!("let the daemon write to `{root}/.well-known/acme-challenge`, which may not be a link"),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn proof() -> Proof {
        Proof::of("a.example", "token", "token.text").expect("a proof")
    }

    #[tokio::test]
    async fn a_file_is_there_while_it_is_presented_and_gone_after() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join(".well-known/acme-challenge/token");
        let presented = Webroot::new(root.path()).present(&[proof()]).await.expect("presented");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "token.text");
        presented.withdraw().await;
        assert_eq!(fs::read_dir(path.parent().expect("its folder")).expect("a folder").count(), 0);
    }

    #[tokio::test]
    async fn a_link_on_the_way_is_not_followed() {
        let (root, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("another"));
        symlink(elsewhere.path(), root.path().join(".well-known")).expect("a link");
        let refused = Webroot::new(root.path()).present(&[proof()]).await.err().expect("refused");
        assert_eq!(refused.code, "acme-webroot-unwritable");
        assert_eq!(fs::read_dir(elsewhere.path()).expect("a folder").count(), 0);
    }

    #[tokio::test]
    async fn a_link_in_place_of_the_file_is_replaced_and_not_written_through() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join(".well-known/acme-challenge");
        fs::create_dir_all(&folder).expect("folders");
        fs::write(root.path().join("precious"), "kept").expect("a file");
        for name in ["token", ".token.new"] {
            symlink(root.path().join("precious"), folder.join(name)).expect("a link");
        }
        let presented = Webroot::new(root.path()).present(&[proof()]).await.expect("presented");
        assert_eq!(fs::read_to_string(folder.join("token")).expect("the file"), "token.text");
        drop(presented);
        assert_eq!(fs::read_to_string(root.path().join("precious")).expect("the file"), "kept");
    }
}
