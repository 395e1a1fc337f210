//! Values that must not be arguments: from a prompt without echo, standard input, or a file.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write as _},
};

use rustix::termios::{self, LocalModes, OptionalActions};
use zeroize::Zeroizing;

use super::{CliError, Exit};
use crate::model::SecretText;

/// The longest value.
const MAX_BYTES: usize = 1 << 20;

/// Reads a value: `@FILE` from a file, `-` or nothing from standard input, asking without echo if that is a terminal.
/// One line break at the end is not part of the value.
pub(super) fn value(source: Option<&str>, what: &str) -> Result<SecretText, CliError> {
    match source {
        None | Some("-") if io::stdin().is_terminal() => prompt(what),
        None | Some("-") => whole(&mut io::stdin().lock(), what, "standard input"),
        Some(source) => {
            let Some(path) = source.strip_prefix('@') else {
                let sentence = format!("the {what} must not be an argument: other users of the machine see those");
                return Err(CliError::usage(sentence, "give `-` for standard input or `@FILE` for a file"));
            };
            let opened = File::open(path).map_err(|error| unreadable(what, path).caused_by(&error));
            whole(&mut opened?, what, path)
        }
    }
}

/// Reads a text that is not secret, such as a document to apply: `-` from standard input, else from a file.
pub(super) fn document(source: &str) -> Result<String, CliError> {
    let read = match source.strip_prefix('@').unwrap_or(source) {
        "-" => io::read_to_string(io::stdin().lock().take(MAX_BYTES as u64 + 1)),
        path => File::open(path).and_then(|file| io::read_to_string(file.take(MAX_BYTES as u64 + 1))),
    };
    let text = read.map_err(|error| unreadable("document", source).caused_by(&error))?;
    if text.len() > MAX_BYTES { Err(too_long("document")) } else { Ok(text) }
}

/// Asks for the passphrase of the master key at the terminal, or reads it from standard input.
pub fn ask_passphrase() -> Result<SecretText, CliError> {
    value(None, "passphrase")
}

fn whole(from: &mut dyn Read, what: &str, origin: &str) -> Result<SecretText, CliError> {
    // Room for everything at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 2));
    from.take(MAX_BYTES as u64 + 2)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(what, origin).caused_by(&error))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable(what, origin))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.len() > MAX_BYTES {
        return Err(too_long(what));
    }
    if text.is_empty() {
        let sentence = format!("the {what} is empty");
        return Err(CliError::usage(sentence, "pipe it in, or give `@FILE`"));
    }
    Ok(SecretText::new(text.to_owned()))
}

fn unreadable(what: &str, origin: &str) -> CliError {
    let sentence = format!("the {what} cannot be read from `{origin}`");
    CliError::new(Exit::Failed, "input-unreadable", sentence, "give a text in UTF-8 that this user can read")
}

fn too_long(what: &str) -> CliError {
    let sentence = format!("the {what} has more than {MAX_BYTES} bytes");
    CliError::new(Exit::Failed, "input-too-long", sentence, "give a shorter one")
}

/// Asks at the terminal, without showing what is typed.
fn prompt(what: &str) -> Result<SecretText, CliError> {
    let asked = || -> io::Result<SecretText> {
        let stdin = io::stdin();
        eprint!("{what}: ");
        io::stderr().flush()?;
        let _silence = Silence::over(&stdin)?;
        let mut line = Zeroizing::new(String::with_capacity(4096));
        stdin.read_line(&mut line)?;
        eprintln!();
        Ok(SecretText::new(line.trim_end_matches(['\n', '\r']).to_owned()))
    };
    let typed = asked().map_err(|error| unreadable(what, "the terminal").caused_by(&error))?;
    if typed.expose().is_empty() {
        return Err(CliError::usage(format!("the {what} is empty"), "type it, pipe it in, or give `@FILE`"));
    }
    Ok(typed)
}

/// A terminal that does not show what is typed, until dropped.
struct Silence<'t> {
    stdin: &'t io::Stdin,
    before: termios::Termios,
}

impl<'t> Silence<'t> {
    fn over(stdin: &'t io::Stdin) -> io::Result<Self> {
        let before = termios::tcgetattr(stdin)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(stdin, OptionalActions::Flush, &silent)?;
        Ok(Self { stdin, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(self.stdin, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_loses_one_line_break_and_nothing_else() {
        let read = |text: &str| whole(&mut text.as_bytes(), "password", "x").map(|value| value.expose().to_owned());
        assert_eq!(read("a b \n").ok().as_deref(), Some("a b "));
        assert_eq!(read("a\r\n").ok().as_deref(), Some("a"));
        assert_eq!(read("a\n\n").ok().as_deref(), Some("a\n"));
        assert!(read("\n").is_err() && read("").is_err());
    }

    #[test]
    fn a_value_is_never_an_argument() {
        let error = value(Some("hunter2"), "password").expect_err("refused");
        assert_eq!(error.exit, Exit::Usage);
        assert!(!error.sentence.contains("hunter2") && !error.hint.contains("hunter2"));
    }

    #[test]
    fn a_value_is_read_from_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("value");
        std::fs::write(&path, "from a file\n").expect("written");
        let read = value(Some(&format!("@{}", path.display())), "password").expect("read");
        assert_eq!(read.expose(), "from a file");
    }
}
