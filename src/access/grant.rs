//! What a token was given: patterns of the names that it may read.

use super::{Act, Denial, Pattern, PatternError, Verdict};
use crate::model::Name;

/// Patterns of one token at most.
pub const MOST_PATTERNS: usize = 64;

/// The names that a token may read: 1 to 64 patterns, none of which covers another, in the order of the names that they
/// mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant(Vec<Pattern>);

/// Why texts are no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// No pattern.
    #[error("a token without a pattern may read nothing")]
    Empty,
    /// Too many patterns.
    #[error("a token has at most {MOST_PATTERNS} patterns, found {0}")]
    TooMany(usize),
    /// One of them cannot be read.
    #[error("`{text}` is no pattern: {source}")]
    Pattern {
        /// What was written, cut to 64 characters.
        text: String,
        /// Why.
        source: PatternError,
    },
}

impl GrantError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "pattern-missing",
            Self::TooMany(_) => "patterns-too-many",
            Self::Pattern { source, .. } => source.code(),
        }
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "say what it may read, as in `--read 'billing/*'`",
            Self::TooMany(_) => "make several tokens, or a pattern that means more, such as `billing/*`",
            Self::Pattern { source, .. } => source.hint(),
        }
    }
}

impl Grant {
    /// Reads patterns; those that another one covers are left out.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, GrantError> {
        if texts.len() > MOST_PATTERNS {
            return Err(GrantError::TooMany(texts.len()));
        }
        let read = |text: &S| {
            let text = text.as_ref();
            let cut = || text.chars().take(64).collect();
            Pattern::parse(text).map_err(|source| GrantError::Pattern { text: cut(), source })
        };
        let mut patterns: Vec<Pattern> = texts.iter().map(read).collect::<Result<_, _>>()?;
        patterns.sort_by_key(ToString::to_string);
        patterns.dedup();
        let is_covered = |one: &Pattern| patterns.iter().any(|other| other != one && other.covers(one));
        let kept: Vec<Pattern> = patterns.iter().filter(|one| !is_covered(one)).cloned().collect();
        if kept.is_empty() { Err(GrantError::Empty) } else { Ok(Self(kept)) }
    }

    /// The patterns, in the order of the names that they mean.
    pub fn patterns(&self) -> &[Pattern] {
        &self.0
    }

    /// Whether a name may be read.
    pub fn reads(&self, name: &Name) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// What is answered to a request of a token with this grant.
    pub fn verdict(&self, act: &Act) -> Verdict {
        match act {
            Act::ListSecrets => Verdict::Allowed,
            Act::ReadValue(name) | Act::ReadAbout(name) if self.reads(name) => Verdict::Allowed,
            Act::ReadValue(_) | Act::ReadAbout(_) => Verdict::Denied(Denial::NotGranted),
            Act::Other => Verdict::Denied(Denial::NotForTokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(texts: &[&str]) -> Vec<String> {
        Grant::parse(texts).expect("a grant").patterns().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn patterns_that_others_cover_are_left_out() {
        assert_eq!(shown(&["b/*", "a", "b/c", "a", "b/c/*", "b"]), ["a", "b", "b/*"]);
        assert_eq!(shown(&["b/*", "*", "a"]), ["*"]);
    }

    #[test]
    fn the_patterns_lie_in_the_order_of_their_names() {
        // A name with a blank sorts before its neighbour's children.
        assert_eq!(shown(&["a/*", "a", "a b", "a-/*", "a0"]), ["a", "a b", "a-/*", "a/*", "a0"]);
    }

    #[test]
    fn a_grant_has_bounds() {
        let many: Vec<String> = (0..65).map(|n| format!("a{n}")).collect();
        assert_eq!(Grant::parse(&many), Err(GrantError::TooMany(65)));
        assert!(Grant::parse(&many[..64]).is_ok());
        assert_eq!(Grant::parse::<&str>(&[]), Err(GrantError::Empty));
        let error = Grant::parse(&["a", "b*"]).expect_err("refused");
        assert_eq!((error.code(), error.to_string().contains("`b*`")), ("pattern-invalid", true));
    }

    #[test]
    fn what_is_not_granted_is_denied() {
        let grant = Grant::parse(&["billing/*"]).expect("a grant");
        let name = |text| Name::parse(text).expect("a name");
        for (act, verdict) in [
            (Act::ListSecrets, Verdict::Allowed),
            (Act::ReadValue(name("billing/db")), Verdict::Allowed),
            (Act::ReadAbout(name("billing/db")), Verdict::Allowed),
            (Act::ReadValue(name("billing")), Verdict::Denied(Denial::NotGranted)),
            (Act::ReadAbout(name("web/db")), Verdict::Denied(Denial::NotGranted)),
            (Act::Other, Verdict::Denied(Denial::NotForTokens)),
        ] {
            assert_eq!(grant.verdict(&act), verdict, "{act:?}");
        }
    }
}
