//! What lies on the disk, judged by openssl: it shares no code with what wrote it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Runs openssl; an error with what it said where it fails.
pub(crate) fn openssl(arguments: &[&str]) -> Result<String> {
    let output = Command::new("openssl").args(arguments).output().context("run openssl")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "openssl {arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

/// A path as an argument.
pub(crate) fn path(path: &Path) -> String {
    path.display().to_string()
}

/// The certificate of a version's folder. An error where a key and a certificate of its files do not belong to each
/// other, or the certificate does not lead to the authority.
pub(crate) fn prove_pair(folder: &Path, ca: &Path) -> Result<String> {
    let file = |name: &str| path(&folder.join(name));
    let key = openssl(&["pkey", "-in", &file("key.pem"), "-pubout"])?;
    ensure!(openssl(&["pkey", "-in", &file("combined.pem"), "-pubout"])? == key, "combined.pem has another key");
    let leaf = std::fs::read_to_string(folder.join("cert.pem")).context("read cert.pem")?;
    for name in ["cert.pem", "fullchain.pem", "combined.pem"] {
        let held = openssl(&["x509", "-in", &file(name), "-noout", "-pubkey"])?;
        ensure!(held == key, "{name} is not of key.pem");
        let text = std::fs::read_to_string(folder.join(name))?;
        ensure!(text.contains(leaf.trim()), "{name} has another certificate than cert.pem");
    }
    // An anchor may be an authority below a root that nobody has.
    let trust = ["verify", "-partial_chain", "-CAfile", &path(ca), "-untrusted", &file("chain.pem")];
    openssl(&[&trust[..], &[&file("cert.pem")]].concat())?;
    Ok(leaf)
}

/// What below a place has a temporary name, and versions beside the one in use.
pub(crate) fn leftovers(place: &Path) -> Result<Vec<String>> {
    let current = std::fs::read_link(place.join("current")).context("read the link")?;
    let current = current.file_name().map(|name| name.to_string_lossy().into_owned());
    let mut left = Vec::new();
    for folder in [place.to_owned(), place.join("versions")] {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let belongs = ["current", "versions"].contains(&&*name) || Some(&name) == current.as_ref();
            left.extend((!belongs).then_some(name));
        }
    }
    Ok(left)
}
