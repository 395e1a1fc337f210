//! Patterns of names: `billing/db` is that name, `billing/*` all names below it at any depth, `*` all names.
//!
//! A `*` stands for whole segments, at the end alone. What other products read as a wildcard elsewhere is refused and
//! not taken by the letter, so that nobody grants less, or more, than he meant.

use std::fmt;

use crate::model::{Name, NameError};

/// Which names are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Shape);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    All,
    Below(Name),
    One(Name),
}

/// The names that a pattern means, as they lie in the order of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span<'p> {
    /// One name.
    One(&'p Name),
    /// All names that begin with the name and a slash; all names where there is none.
    Below(Option<&'p Name>),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A `*` that is not the last segment.
    #[error("a `*` stands alone as the last segment of a pattern")]
    Star,
    /// A character or a segment that is a wildcard elsewhere.
    #[error("a pattern has no `{0}`")]
    Wildcard(char),
    /// What stands before the `*` is no name.
    #[error("a pattern is a name, or a name and `/*`: {0}")]
    Name(#[from] NameError),
}

impl PatternError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        "pattern-invalid"
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        "write `billing/db` for one name, `billing/*` for all below it, or `*` for all"
    }
}

/// Characters that mean something to globs and regular expressions, and are allowed in names.
const WILDCARDS: [char; 9] = ['?', '[', ']', '{', '}', '\\', '^', '$', '|'];

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Ok(Self(Shape::All));
        }
        let (name, is_below) = match text.strip_suffix("/*") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(PatternError::Star);
        }
        if let Some(odd) = name.chars().find(|c| WILDCARDS.contains(c)) {
            return Err(PatternError::Wildcard(odd));
        }
        if name.split('/').any(|segment| segment == "+") {
            return Err(PatternError::Wildcard('+'));
        }
        let name = Name::parse(name)?;
        Ok(Self(if is_below { Shape::Below(name) } else { Shape::One(name) }))
    }

    /// Whether it means a name.
    pub fn matches(&self, name: &Name) -> bool {
        match &self.0 {
            Shape::All => true,
            Shape::One(one) => one == name,
            Shape::Below(above) => is_below(name.as_str(), above),
        }
    }

    /// Whether it means every name that another pattern means.
    pub fn covers(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Shape::All, _) => true,
            (_, Shape::One(name)) => self.matches(name),
            (Shape::Below(above), Shape::Below(name)) => above == name || is_below(name.as_str(), above),
            (Shape::Below(_) | Shape::One(_), Shape::All) | (Shape::One(_), Shape::Below(_)) => false,
        }
    }

    /// The names that it means, as they lie in the order of names.
    pub fn span(&self) -> Span<'_> {
        match &self.0 {
            Shape::All => Span::Below(None),
            Shape::Below(name) => Span::Below(Some(name)),
            Shape::One(name) => Span::One(name),
        }
    }
}

fn is_below(name: &str, above: &Name) -> bool {
    name.strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Shape::All => f.write_str("*"),
            Shape::Below(name) => write!(f, "{name}/*"),
            Shape::One(name) => write!(f, "{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).expect("a pattern")
    }

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name")
    }

    #[test]
    fn a_pattern_means_its_names_and_no_others() {
        for (text, meant, others) in [
            ("*", &["a", "billing/db", "a/b/c"][..], &[][..]),
            ("billing/db", &["billing/db"], &["billing", "billing/db/x", "billing/db2", "Billing/db", "x/billing/db"]),
            (
                "billing/*",
                &["billing/db", "billing/a/b", "billing/+"],
                &["billing", "billing2/db", "billin/db", "a/billing/db", "Billing/db"],
            ),
            ("a b/Größe/*", &["a b/Größe/x"], &["a b/Größe", "a b/Grösse/x"]),
        ] {
            for one in meant {
                assert!(pattern(text).matches(&name(one)), "{text} {one}");
            }
            for one in others {
                assert!(!pattern(text).matches(&name(one)), "{text} {one}");
            }
        }
    }

    #[test]
    fn what_looks_like_another_wildcard_is_refused() {
        let odd = ["", "/", "/*", "a/", "a//b", "a/**", "**", "a*", "*/b", "a/*/b", "a/*/*", "*a", "a/b*", "* ", " *"];
        let foreign = ["a?", "a/[b]", "{a,b}", "a\\b", "^a", "a$", "a|b", "a/+/b", "+", "a/+", "a/+/*"];
        let unnameable = ["a/../b", "./a", "..", "a\0", "a\n/*", "e\u{301}", "a/\u{202e}x"];
        for text in odd.into_iter().chain(foreign).chain(unnameable) {
            let error = Pattern::parse(text).expect_err(text);
            assert!(!error.hint().is_empty() && error.code() == "pattern-invalid");
        }
        for text in ["a+b", "a.b", "a-b_c", "a/...", "a b"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    fn a_pattern() -> impl Strategy<Value = String> {
        "(\\*|[ab](/[ab]){0,2}(/\\*)?)"
    }

    proptest! {
        #[test]
        fn what_covers_another_means_all_that_the_other_means(one in a_pattern(), other in a_pattern(), text in "[ab](/[ab]){0,3}") {
            let (one, other, name) = (pattern(&one), pattern(&other), name(&text));
            if one.covers(&other) && other.matches(&name) {
                prop_assert!(one.matches(&name));
            }
            if one.covers(&other) && other.covers(&one) {
                prop_assert_eq!(one, other);
            }
        }

        #[test]
        fn a_pattern_survives_its_text(text in a_pattern()) {
            prop_assert_eq!(pattern(&text).to_string(), text);
        }

        #[test]
        fn a_span_holds_the_names_that_match(text in a_pattern(), of in "[ab](/[ab]){0,3}") {
            let (pattern, name) = (pattern(&text), name(&of));
            let is_inside = match pattern.span() {
                Span::One(one) => *one == name,
                Span::Below(None) => true,
                Span::Below(Some(above)) => name.as_str().starts_with(&format!("{above}/")),
            };
            prop_assert_eq!(is_inside, pattern.matches(&name));
        }
    }
}
