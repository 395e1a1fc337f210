//! Paths: what is refused before routing, and names that travel as one percent-encoded segment.
//!
//! A secret's name is one segment, its slashes written `%2F`: `/api/v1/secrets/billing%2Fdb`. Refused are empty
//! segments, `.` and `..` in any spelling, NUL and control characters, backslashes, percent signs that are encoded
//! two times, and bytes that are not UTF-8, so that no two spellings of a path mean the same thing to a rule and
//! something else to the router.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::Problem;
use crate::model::Name;

const HINT: &str = "write a name as one percent-encoded segment, as in `billing%2Fdb`";

fn refused(because: &str) -> Problem {
    Problem::invalid("path-refused", format!("the path {because}"), HINT)
}

/// Refuses a raw path that could be read in two ways. Runs before routing.
pub(super) fn check(raw: &str) -> Result<(), Problem> {
    let Some(inner) = raw.strip_prefix('/') else { return Err(refused("does not begin with a slash")) };
    if raw.len() > 8192 {
        return Err(refused("is longer than 8192 bytes"));
    }
    if inner.is_empty() {
        return Ok(());
    }
    inner.split('/').try_for_each(|segment| decode(segment).map(|_| ()))
}

/// Decodes one raw segment by the rules above.
fn decode(raw: &str) -> Result<String, Problem> {
    if raw.is_empty() {
        return Err(refused("has an empty segment"));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let Some(value) = hex_pair(rest) else { return Err(refused("has a `%` without two hexadecimal digits")) };
        rest = &rest[2..];
        bytes.push(value);
    }
    let is_encoded = |at: usize| bytes[at] == b'%' && hex_pair(&bytes[at + 1..]).is_some();
    if (0..bytes.len()).any(is_encoded) {
        return Err(refused("is percent-encoded two times"));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("is not UTF-8"))?;
    if text.contains('\\') || text.chars().any(char::is_control) {
        return Err(refused("has a backslash or a control character"));
    }
    if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(refused("has an empty segment, `.` or `..`"));
    }
    Ok(text)
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*bytes.first()?)? << 4 | digit(*bytes.get(1)?)?)
}

/// The decoded segment of the path that a route's parameter stands for, by the raw path: axum's own decoding is not
/// asked.
fn parameter(parts: &Parts, index: usize) -> Result<String, Problem> {
    let matched = parts.extensions.get::<axum::extract::MatchedPath>().ok_or_else(|| refused("has no route"))?;
    // From the end: a nested router has taken its prefix off the path, and not off the route.
    let places = matched.as_str().rsplit('/').zip(parts.uri.path().rsplit('/'));
    let raw: Vec<&str> = places.filter(|(pattern, _)| pattern.starts_with('{')).map(|(_, raw)| raw).collect();
    decode(raw.iter().rev().nth(index).ok_or_else(|| refused("has no such parameter"))?)
}

/// The name that the first parameter of a route stands for.
pub(super) fn name(parts: &Parts) -> Result<Name, Problem> {
    let text = parameter(parts, 0)?;
    Name::parse(&text).map_err(|error| Problem::invalid("name-refused", error.to_string(), HINT))
}

/// The name of a secret or target: the first parameter of a route.
#[derive(Debug, Clone)]
pub struct SecretName(pub Name);

impl<S: Sync> FromRequestParts<S> for SecretName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        name(parts).map(Self)
    }
}

/// The parameter of a route at a place, 0 for the first, as text: an id, the name of a delivery.
#[derive(Debug, Clone)]
pub struct Id<const INDEX: usize = 0>(pub String);

impl<S: Sync, const INDEX: usize> FromRequestParts<S> for Id<INDEX> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parameter(parts, INDEX).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(decode("billing%2Fdb").expect("taken"), "billing/db");
        assert_eq!(decode("Gr%C3%B6%C3%9Fe").expect("taken"), "Größe");
        assert_eq!(decode("a%20b").expect("taken"), "a b");
        assert_eq!(decode("100%25").expect("taken"), "100%");
        assert_eq!(decode("a..b%2F...").expect("taken"), "a..b/...");
    }

    #[test]
    fn spellings_that_mean_two_things_are_refused() {
        let dots = [".", "..", "%2e", "%2E", "%2e%2e", ".%2e", "%2E.", "a%2F..", "..%2Fa", "a%2F.%2Fb", "%2F", "a%2F"];
        let twice = ["%252e", "%252e%252e", "a%252Fb", "%25%32%65"];
        let odd = ["%00", "a%5Cb", "a\\b", "..\\", "%c0%ae", "%ff", "%", "%2", "%zz", "%0a", "%7f", "a%2F%2Fb"];
        for segment in dots.into_iter().chain(twice).chain(odd) {
            for path in [format!("/api/v1/secrets/{segment}"), format!("/{segment}/x")] {
                assert_eq!(check(&path).map_err(|problem| problem.status), Err(400), "{path}");
            }
        }
        for path in ["//", "/a//b", "/a/", "", "a", "/a/../b"] {
            assert!(check(path).is_err(), "{path}");
        }
        assert!(check("/").is_ok() && check("/api/v1/secrets/a%2Fb/versions").is_ok());
    }
}
