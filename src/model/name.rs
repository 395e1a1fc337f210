//! Names of secrets and targets: 1 to 32 segments joined by `/`.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::is_nfc;

/// A name: case-sensitive; each segment is 1 to 128 bytes of printable UTF-8 in NFC, without control characters,
/// leading or trailing blanks, `.` or `..`. `a` and `a/b` may both exist.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than 32 segments.
    #[error("a name has at most 32 segments, found {0}")]
    TooDeep(usize),
    /// A segment is empty: `a//b`, a leading or a trailing slash.
    #[error("a name has no empty segment: write `a/b`, without a slash at either end")]
    EmptySegment,
    /// A segment is longer than 128 bytes.
    #[error("a segment of a name has at most 128 bytes, found {0}")]
    TooLong(usize),
    /// `.` or `..`.
    #[error("`.` and `..` are not segments of a name")]
    Dots,
    /// A segment begins or ends with a blank.
    #[error("a segment of a name neither begins nor ends with a blank")]
    Blank,
    /// A character that cannot be printed.
    #[error("a name has printable characters only, found U+{0:04X}")]
    Unprintable(u32),
    /// The text is not in Unicode's normal form C.
    #[error("a name is written in Unicode's normal form C (NFC)")]
    NotNormal,
}

impl Name {
    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let depth = text.split('/').count();
        if depth > 32 {
            return Err(NameError::TooDeep(depth));
        }
        text.split('/').try_for_each(check_segment)?;
        if !is_nfc(text) {
            return Err(NameError::NotNormal);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_segment(segment: &str) -> Result<(), NameError> {
    if segment.is_empty() {
        return Err(NameError::EmptySegment);
    }
    if segment.len() > 128 {
        return Err(NameError::TooLong(segment.len()));
    }
    if segment == "." || segment == ".." {
        return Err(NameError::Dots);
    }
    if segment.trim() != segment {
        return Err(NameError::Blank);
    }
    match segment.chars().find(|c| is_unprintable(*c)) {
        Some(odd) => Err(NameError::Unprintable(u32::from(odd))),
        None => Ok(()),
    }
}

/// Control characters, and the invisible ones that make two names look alike: format characters, separators,
/// direction marks, tags, private use and non-characters.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xAD | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180E | 0x3164 | 0xFEFF | 0xFFA0
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFFF0..=0xFFFB
            | 0xE000..=0xF8FF | 0xE0000..=0x10_FFFF)
        || (u32::from(c) & 0xFFFE) == 0xFFFE
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_taken() {
        for text in ["a", "billing/db", "Größe/ключ", "a b/c", "a.b", "..."] {
            assert_eq!(Name::parse(text).map(|name| name.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn each_rule_refuses_its_breach() {
        let deep = vec!["a"; 33].join("/");
        let long = "x".repeat(129);
        let cases = [
            (deep.as_str(), NameError::TooDeep(33)),
            ("", NameError::EmptySegment),
            ("/a", NameError::EmptySegment),
            ("a//b", NameError::EmptySegment),
            (long.as_str(), NameError::TooLong(129)),
            ("a/../b", NameError::Dots),
            (" a", NameError::Blank),
            ("a\u{a0}", NameError::Blank),
            ("a\0b", NameError::Unprintable(0)),
            ("a\u{202e}b", NameError::Unprintable(0x202e)),
            ("e\u{301}", NameError::NotNormal),
        ];
        for (text, error) in cases {
            assert_eq!(Name::parse(text), Err(error), "{text:?}");
        }
    }
}
