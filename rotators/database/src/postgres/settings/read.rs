//! From JSON to a struct, with the unknown key named and the nearest known one offered.

use keywheel_contract::Failure;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads settings; `of` is `target` or `secret`, and begins the key of the failure.
pub(super) fn settings<T: DeserializeOwned>(of: &str, value: &Value, known: &[&str]) -> Result<T, Failure> {
    let Some(map) = value.as_object() else {
        return Err(invalid(of, "the settings are not a table".to_owned(), "give a table of keys".to_owned()));
    };
    if let Some(odd) = map.keys().find(|key| !known.contains(&key.as_str())) {
        let hint = match nearest(odd, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the known keys are: {}", known.join(", ")),
        };
        return Err(invalid(&format!("{of}.{odd}"), format!("`{odd}` is not a setting of a PostgreSQL {of}"), hint));
    }
    T::deserialize(value).map_err(|cause| {
        let hint = format!("the keys and their forms stand in the settings reference; known are: {}", known.join(", "));
        invalid(of, format!("the settings of the {of} do not fit: {cause}"), hint)
    })
}

/// A setting that cannot be right.
pub(super) fn invalid(key: &str, sentence: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::misconfigured(key, "postgres-setting-invalid", sentence, hint)
}

/// The known key that is at most two edits away.
fn nearest<'a>(odd: &str, known: &[&'a str]) -> Option<&'a str> {
    known.iter().map(|key| (distance(odd, key), *key)).filter(|(far, _)| *far <= 2).min().map(|(_, key)| key)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, letter) in a.chars().enumerate() {
        let mut left = row + 1;
        let mut line = vec![left];
        for (column, other) in b.iter().enumerate() {
            left = (left + 1).min(above[column + 1] + 1).min(above[column] + usize::from(letter != *other));
            line.push(left);
        }
        above = line;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        assert_eq!((distance("host", "host"), distance("hots", "host"), distance("hst", "host")), (0, 2, 1));
        assert_eq!(nearest("rolle", &["role", "owner"]), Some("role"));
        assert_eq!(nearest("zzzzzz", &["role", "owner"]), None);
    }
}
