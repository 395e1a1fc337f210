//! From JSON to a struct, with the unknown key named and the nearest known one offered.

use keywheel_contract::Failure;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a table of settings. `at` begins the key of a failure, such as `target` or `target.probes`.
pub(in crate::rotator) fn table<T: DeserializeOwned>(at: &str, value: &Value, known: &[&str]) -> Result<T, Failure> {
    let keys =
        value.as_object().ok_or_else(|| invalid(at, format!("`{at}` is not a table"), "give a table of keys"))?;
    if let Some(odd) = keys.keys().find(|key| !known.contains(&key.as_str())) {
        let hint = nearest(odd, known.iter().copied()).map_or_else(
            || format!("the known keys are: {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let shown: String = odd.chars().take(64).flat_map(char::escape_debug).collect();
        return Err(invalid(&format!("{at}.{shown}"), format!("`{shown}` is not a key of `{at}`"), hint));
    }
    T::deserialize(value).map_err(|cause| {
        invalid(at, format!("`{at}` does not fit: {cause}"), format!("its keys: {}", known.join(", ")))
    })
}

/// A setting that cannot be right.
pub(in crate::rotator) fn invalid(key: &str, sentence: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::misconfigured(key, "certificate-setting-invalid", sentence, hint)
}

/// The known word that is at most two edits away.
pub(in crate::rotator) fn nearest<'a>(odd: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close = known.into_iter().map(|word| (edits(odd, word), word)).filter(|(edits, _)| *edits <= 2);
    close.min().map(|(_, word)| word)
}

/// Levenshtein's distance, one row at a time.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_two_edits_away_at_most() {
        assert_eq!([edits("", "abc"), edits("name", "names"), edits("abc", "cba")], [3, 1, 2]);
        assert_eq!(nearest("instal", ["install", "check"]), Some("install"));
        assert_eq!(nearest("wholly-other", ["install", "check"]), None);
    }
}
