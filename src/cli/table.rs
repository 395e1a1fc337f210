//! Aligned tables without colour, and text that cannot steer a terminal.

use std::fmt::Write as _;

use unicode_normalization::char::is_combining_mark;

/// The widest that the last column is made where the width of the terminal is unknown.
const UNBOUNDED: usize = usize::MAX;

/// Replaces control and direction characters by visible escapes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let steers = c.is_control() || matches!(u32::from(c), 0x200B..=0x200F | 0x2028..=0x202E | 0x2066..=0x2069);
        if steers {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Columns that a character takes: two for wide East Asian ones, none for marks.
fn width_of(c: char) -> usize {
    let wide = matches!(u32::from(c),
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD);
    if is_combining_mark(c) { 0 } else { 1 + usize::from(wide) }
}

fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// A table of texts.
#[derive(Debug, Clone)]
pub(super) struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these heads, in capitals.
    pub(super) fn new<const N: usize>(heads: [&'static str; N]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; control characters are escaped.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|cell| escape(&cell)).collect());
    }

    /// The text of the table, cut to a width at the last column.
    pub(super) fn render(&self, terminal: Option<usize>) -> String {
        let columns = self.heads.len();
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(String::as_str).map(width);
            cells.chain([self.heads[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        let before_last: usize = widths.iter().take(columns.saturating_sub(1)).map(|width| width + 2).sum();
        let room = terminal.map_or(UNBOUNDED, |terminal| terminal.saturating_sub(before_last).max(16));
        let mut text = String::new();
        let heads: Vec<String> = self.heads.iter().map(|head| (*head).to_owned()).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                if column + 1 == columns {
                    line.push_str(&cut(cell, room));
                } else {
                    let gap = widths[column] - width(cell) + 2;
                    let _ = write!(line, "{cell}{:gap$}", "");
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut taken = 0;
    let fits = |c: &char| {
        taken += width_of(*c);
        taken < room
    };
    let mut short: String = text.chars().take_while(fits).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_the_last_is_cut() {
        let mut table = Table::new(["NAME", "WHAT"]);
        table.row(["a".into(), "x".into()]);
        table.row(["größer".into(), "0123456789abcdefghij".into()]);
        assert_eq!(table.render(None), "NAME    WHAT\na       x\ngrößer  0123456789abcdefghij\n");
        assert_eq!(table.render(Some(24)), "NAME    WHAT\na       x\ngrößer  0123456789abcde…\n");
    }

    #[test]
    fn nothing_in_a_cell_steers_the_terminal() {
        assert_eq!(escape("a\u{1b}[31m\nb\u{202e}c"), "a\\u{1b}[31m\\nb\\u{202e}c");
        let mut table = Table::new(["A"]);
        table.row(["\u{7}".into()]);
        assert!(!table.render(None).contains('\u{7}'));
    }
}
