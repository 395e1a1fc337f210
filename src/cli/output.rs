//! What commands print: a table for people, JSON for scripts.

use std::io::Write as _;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::table::{Table, escape};

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// One JSON document (a line for each event while following), for scripts.
    Json,
}

/// Prints an answer: as JSON, or as the table that is made of it.
pub(super) fn show<T: Serialize>(format: Format, answer: &T, table: impl FnOnce(&T) -> Table) {
    match format {
        Format::Json => json(answer),
        Format::Table => text(&table(answer).render(terminal_width())),
    }
}

/// Prints an answer: as JSON, or as the lines that are made of it, whose control characters are escaped.
pub(super) fn show_lines<T: Serialize>(format: Format, answer: &T, lines: impl FnOnce(&T) -> Vec<String>) {
    match format {
        Format::Json => json(answer),
        Format::Table => lines(answer).iter().for_each(|line| text(&format!("{}\n", escape(line)))),
    }
}

/// Prints JSON in one document over several lines.
pub(super) fn json<T: Serialize>(answer: &T) {
    let document = serde_json::to_string_pretty(answer).expect("answers have text keys");
    text(&format!("{document}\n"));
}

/// Prints JSON in one line.
pub(super) fn json_line<T: Serialize>(answer: &T) {
    let document = serde_json::to_string(answer).expect("answers have text keys");
    text(&format!("{document}\n"));
}

/// Prints a text as it is. A reader that went away (`| head`) ends the printing, not the command.
pub(super) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a remark to people on standard error; scripts do not see it.
pub(super) fn remark(line: &str) {
    eprintln!("{}", escape(line));
}

/// The width of the terminal, where standard output is one.
pub(super) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A time as people read it, in UTC and whole seconds; `-` for none.
pub(super) fn time(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string())
}
