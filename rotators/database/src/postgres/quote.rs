//! Identifiers and literals for statements that take no parameters.
//!
//! The server cuts a name that is longer than 63 bytes without an error, and would then change another role: such
//! names are refused here. A zero byte ends a statement on the wire: refused too.

use zeroize::Zeroizing;

/// The longest name, in bytes (`NAMEDATALEN` less one).
pub(crate) const LONGEST_NAME: usize = 63;

/// Why a name cannot be one of the server's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    /// It is empty.
    #[error("an empty name")]
    Empty,
    /// The server would cut it.
    #[error("a name of {0} bytes, where 63 is the longest")]
    TooLong(usize),
    /// It holds a zero byte.
    #[error("a name with a zero byte")]
    Zero,
}

/// Checks that a name reaches the server as it is.
pub(crate) fn check_name(name: &str) -> Result<(), NameError> {
    match name {
        "" => Err(NameError::Empty),
        _ if name.len() > LONGEST_NAME => Err(NameError::TooLong(name.len())),
        _ if name.contains('\0') => Err(NameError::Zero),
        _ => Ok(()),
    }
}

/// A name as a quoted identifier. It must have passed [`check_name`].
pub(crate) fn identifier(name: &str) -> String {
    debug_assert!(check_name(name).is_ok(), "names are checked when settings are read");
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal that means the same whatever `standard_conforming_strings` says. Wiped when dropped.
pub(crate) fn literal(text: &str) -> Zeroizing<String> {
    let mut quoted = Zeroizing::new(String::with_capacity(2 * text.len() + 4));
    quoted.push_str(if text.contains('\\') { " E'" } else { "'" });
    for character in text.chars() {
        if matches!(character, '\'' | '\\') {
            quoted.push(character);
        }
        quoted.push(character);
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled_and_nothing_else_changes() {
        assert_eq!(identifier("a\"; DROP ROLE b; --"), "\"a\"\"; DROP ROLE b; --\"");
        assert_eq!(literal("it's").as_str(), "'it''s'");
        assert_eq!(literal("a\\'").as_str(), " E'a\\\\'''");
    }

    #[test]
    fn a_name_that_the_server_would_cut_is_refused() {
        assert_eq!(check_name(&"x".repeat(63)), Ok(()));
        assert_eq!(check_name(&"x".repeat(64)), Err(NameError::TooLong(64)));
        assert_eq!(check_name(&"é".repeat(32)), Err(NameError::TooLong(64)));
        assert_eq!(check_name("a\0b"), Err(NameError::Zero));
        assert_eq!(check_name(""), Err(NameError::Empty));
    }
}
