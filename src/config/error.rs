//! What is wrong with a configuration: which file, line and key, and what to write instead.

use std::{io, ops::Range, path::PathBuf};

/// What is wrong with a configuration. The operator edits the file; nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration `{file}` cannot be read")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Somebody else may change what the daemon executes.
    #[error("the configuration `{file}` can be changed by others: {because}")]
    Unsafe {
        /// The file.
        file: PathBuf,
        /// Mode or owner.
        because: String,
    },
    /// A line is not TOML, a key is unknown, or a value is of the wrong kind.
    #[error("{file} line {line}: {at}{message}")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The key, in backticks and with a colon, if one is known.
        at: String,
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: String,
    },
    /// A value is out of bounds, or goes together badly with others.
    #[error("{file}: `{key}` must be {permitted}")]
    Value {
        /// The file.
        file: String,
        /// The key with its section.
        key: String,
        /// What is permitted.
        permitted: String,
    },
}

impl ConfigError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config-unreadable",
            Self::Unsafe { .. } => "config-unsafe",
            Self::Line { .. } => "config-line",
            Self::Value { .. } => "config-value",
        }
    }

    /// What an operator does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "name another file by `--config`, or see its mode".to_owned(),
            Self::Unsafe { file, .. } => {
                format!("run `chmod o-w {0}`, and `chown` {0} for root or the daemon's user", file.display())
            }
            Self::Line { hint, .. } => hint.clone(),
            Self::Value { .. } => "`keywheel config check` shows every key with its value".to_owned(),
        }
    }
}

/// Makes an error of what the reader of TOML says.
pub(super) fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let span: Range<usize> = error.span().unwrap_or(0..0);
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let message = error.message().lines().next().unwrap_or("it cannot be read").to_owned();
    let (at, hint) = match unknown(&message) {
        Some((found, expected)) => (String::new(), suggestion(&found, &expected)),
        None => (key_at(text, line), "see the commented configuration: `keywheel config defaults`".to_owned()),
    };
    ConfigError::Line { file: file.to_owned(), line, at, message, hint }
}

/// What to write instead of an unknown key or word, from the words of serde.
pub(crate) fn did_you_mean(message: &str) -> Option<String> {
    unknown(message).map(|(found, expected)| suggestion(&found, &expected))
}

/// The unknown key and the known ones, from the words of serde.
fn unknown(message: &str) -> Option<(String, Vec<String>)> {
    if !message.starts_with("unknown field `") && !message.starts_with("unknown variant `") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((quoted.next()?, quoted.collect()))
}

fn suggestion(found: &str, expected: &[String]) -> String {
    let nearest = expected.iter().map(|known| (distance(found, known), known)).min();
    match nearest {
        Some((away, known)) if away <= 1 + known.len() / 3 => format!("did you mean `{known}`?"),
        _ => format!("write one of `{}`", expected.join("`, `")),
    }
}

/// The key of a line with its section, as a prefix of a message.
fn key_at(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let Some((key, _)) = lines.last().and_then(|last| last.split_once('=')) else { return String::new() };
    let section = lines.iter().rev().find(|line| line.trim_start().starts_with('['));
    let section = section.map_or("", |line| line.trim().trim_matches(['[', ']']));
    let dot = if section.is_empty() { "" } else { "." };
    format!("`{section}{dot}{}`: ", key.trim())
}

/// How many characters must be put in, taken out or changed (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, of_a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, of_b) in b.iter().enumerate() {
            let changed = diagonal + usize::from(of_a != *of_b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_changes() {
        for (a, b, away) in [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3), ("sokcet", "socket", 2)] {
            assert_eq!(distance(a, b), away, "{a} {b}");
        }
    }
}
