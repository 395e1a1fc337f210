//! Sizes as people write them: `8MiB`, `512KiB`, `0`.

use serde::{Deserialize, Serialize};

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const MOST: u64 = 1 << 40;

/// A number of bytes, at most 1024 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: expected a number with `B`, `KiB`, `MiB` or `GiB`, at most `1024GiB`, or `0`")]
pub struct SizeError(String);

impl TryFrom<String> for ByteSize {
    type Error = SizeError;
    fn try_from(text: String) -> Result<Self, SizeError> {
        if text == "0" {
            return Ok(Self(0));
        }
        let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
        let bytes = unit.and_then(|(number, bytes)| number.trim().parse::<u64>().ok()?.checked_mul(*bytes));
        bytes.filter(|bytes| *bytes <= MOST).map(Self).ok_or_else(|| SizeError(text.chars().take(64).collect()))
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        let whole = UNITS.iter().find(|(_, bytes)| size.0 != 0 && size.0.is_multiple_of(*bytes));
        whole.map_or_else(|| "0".to_owned(), |(unit, bytes)| format!("{}{unit}", size.0 / bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_survive_their_text() {
        for (text, bytes) in [("8MiB", 8 << 20), ("0", 0), ("1GiB", 1 << 30), ("1500B", 1500), ("3KiB", 3072)] {
            let size = ByteSize::try_from(text.to_owned()).expect("a size");
            assert_eq!((size.0, String::from(size).as_str()), (bytes, text));
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "8", "8MB", "MiB", "-1B", "1.5GiB", "1025GiB", "99999999999999999999B"] {
            assert!(ByteSize::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
