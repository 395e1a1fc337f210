//! Texts from outside, made fit for one line and for a channel's limits.

/// The mark of a text that was cut.
pub(super) const ELLIPSIS: &str = "…";

/// The text on one line. Control characters, line and paragraph separators become blanks; marks that only reorder or
/// hide text go.
pub(super) fn line(text: &str) -> String {
    let kept = text.chars().filter(|letter| !is_deceptive(*letter));
    let plain: String = kept.map(|letter| if is_break(letter) { ' ' } else { letter }).collect();
    plain.trim().to_owned()
}

/// Whether a character could end a line or command somebody's terminal.
fn is_break(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Bidirectional overrides and isolates (Trojan Source, CVE-2021-42574), and marks of no width.
fn is_deceptive(letter: char) -> bool {
    matches!(letter,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

/// The text in at most so many bytes; what was cut ends with an ellipsis.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(ELLIPSIS.len());
    let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    if most < ELLIPSIS.len() { text[..end].to_owned() } else { format!("{}{ELLIPSIS}", &text[..end]) }
}

/// The text in at most so many characters, as chats count them: UTF-16 units, an upper bound of all countings.
pub(super) fn cut_units(text: &str, most: usize) -> String {
    if text.encode_utf16().count() <= most {
        return text.to_owned();
    }
    let mut units = 0;
    let fits = |letter: &char| {
        units += letter.len_utf16();
        units < most
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{kept}{ELLIPSIS}")
}

/// The text with what stands for markup in XML and HTML replaced; Slack's rules are the first three.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An error with its causes, on one line.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = vec![line(&error.to_string())];
    let mut next = error.source();
    while let Some(cause) = next {
        told.push(line(&cause.to_string()));
        next = cause.source();
    }
    told.dedup();
    told.join(": ")
}

/// The first bytes of a SHA-256 of parts, in hexadecimal; parts cannot run together.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let nibbles = context.finish().as_ref()[..12].iter().flat_map(|byte| [byte >> 4, byte & 15]).collect::<Vec<u8>>();
    nibbles.into_iter().filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        for hostile in ["a\r\nb", "a\nb", "a\rb", "a\0b", "a\u{85}b", "a\u{2028}b", "a\u{1b}b"] {
            assert!(!line(hostile).contains(|letter: char| is_break(letter)), "{hostile:?}");
        }
        assert_eq!(line(" admin\u{202e}cod.exe "), "admincod.exe");
    }

    #[test]
    fn a_cut_falls_between_characters_and_shows() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdef", 5), "ab…");
        assert_eq!(cut("ääää", 6), "ä…");
        for most in 0..12 {
            assert!(cut("äbcdéfg𝄞h", most).len() <= most, "{most}");
        }
    }

    #[test]
    fn units_are_counted_as_the_chats_do() {
        assert_eq!(cut_units("𝄞𝄞", 4), "𝄞𝄞");
        assert_eq!(cut_units("𝄞𝄞𝄞", 4), "𝄞…");
    }

    #[test]
    fn parts_of_a_digest_do_not_run_together() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
