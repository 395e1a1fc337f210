//! The files of one version, and its folder's name.

use zeroize::Zeroizing;

use super::HostError;

/// Whether a file holds a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensitivity {
    /// It does not: mode 0644.
    Public,
    /// It does: the root's key mode.
    Private,
}

/// One file of a version.
#[derive(Clone)]
pub struct VersionFile {
    /// Its name in the folder.
    pub name: &'static str,
    /// Whether it holds a private key.
    pub sensitivity: Sensitivity,
    /// What it holds; wiped when dropped.
    pub content: Zeroizing<Vec<u8>>,
}

impl VersionFile {
    /// A file that anybody may read.
    pub fn public(name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        Self { name, sensitivity: Sensitivity::Public, content: Zeroizing::new(content.into()) }
    }

    /// A file with a private key.
    pub fn private(name: &'static str, content: impl Into<Vec<u8>>) -> Self {
        Self { name, sensitivity: Sensitivity::Private, content: Zeroizing::new(content.into()) }
    }
}

impl std::fmt::Debug for VersionFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VersionFile").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The name of a version's folder: its serial or id, 1 to 64 lower-case letters, digits and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionName(String);

impl VersionName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(is_plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(HostError::BadVersion(text.chars().take(80).flat_map(char::escape_debug).collect()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the link leads.
    pub(super) fn link_target(&self) -> String {
        format!("versions/{}", self.0)
    }

    /// Reads where a link leads; none for what this layout does not make.
    pub(super) fn of_link_target(target: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(target).ok()?.strip_prefix("versions/")?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_versions_name_leads_nowhere_else() {
        for text in ["", "..", "a/b", ".x", "A", "x\0", &"a".repeat(65)] {
            assert!(VersionName::parse(text).is_err(), "{text:?}");
        }
        let name = VersionName::parse("0a1b").expect("plain");
        assert_eq!(VersionName::of_link_target(name.link_target().as_bytes()), Some(name));
        assert_eq!(VersionName::of_link_target(b"versions/../x"), None);
        assert_eq!(VersionName::of_link_target(b"elsewhere"), None);
    }

    #[test]
    fn a_file_prints_no_content() {
        assert!(!format!("{:?}", VersionFile::private("key.pem", "canary")).contains("canary"));
    }
}
