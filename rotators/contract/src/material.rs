//! Secret values: wiped when dropped, masked when printed, readable through one greppable door, `expose`.
//!
//! Deliberately without `Display`, `Serialize` and `PartialEq`. Limits: at most [`Material::MAX_BYTES`] as JSON.

use std::fmt;

use serde_json::{Map, Value};
use zeroize::{Zeroize, Zeroizing};

/// The fixed mask that every secret prints as.
pub(crate) const MASK: &str = "********";

/// One secret text, such as a password.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes ownership of a text; it is wiped when dropped.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: the one door to it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Why bytes are not the value of a secret. Never repeats the bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaterialError {
    /// The bytes are not JSON, or not a JSON object.
    #[error("a secret's value must be a JSON object of fields")]
    NotAnObject,
    /// The value is larger than the bound.
    #[error("a secret's value must be at most {} bytes as JSON, found {found}", Material::MAX_BYTES)]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
}

/// The value of a secret: a JSON object of fields.
#[derive(Clone)]
pub struct Material(Map<String, Value>);

impl Material {
    /// The largest value, in bytes of JSON: 1 MiB.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Takes ownership of the fields; texts in them are wiped when dropped.
    pub fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// Builds a value of text fields.
    pub fn of_texts<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(fields.into_iter().map(|(name, text)| (name.to_owned(), Value::String(text.to_owned()))).collect())
    }

    /// Reads a value from JSON.
    pub fn from_json(bytes: &[u8]) -> Result<Self, MaterialError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(MaterialError::TooLarge { found: bytes.len() });
        }
        serde_json::from_slice(bytes).map(Self).map_err(|_| MaterialError::NotAnObject)
    }

    /// The value as JSON, in a buffer that is wiped when dropped.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        // Room for everything at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.weight()));
        serde_json::to_writer(&mut *bytes, &self.0).expect("a JSON map with text keys can be written");
        bytes
    }

    /// The fields themselves: the one door to them.
    pub fn expose(&self) -> &Map<String, Value> {
        &self.0
    }

    /// One text field, if the value has it.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).and_then(Value::as_str)
    }

    /// The names of the fields, which are not secret.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn weight(&self) -> usize {
        fn of(value: &Value) -> usize {
            match value {
                Value::String(text) => 2 + 6 * text.len(),
                Value::Array(items) => 2 + items.iter().map(|item| 1 + of(item)).sum::<usize>(),
                Value::Object(map) => 2 + map.iter().map(|(key, item)| 6 * key.len() + 4 + of(item)).sum::<usize>(),
                Value::Null | Value::Bool(_) | Value::Number(_) => 32,
            }
        }
        2 + self.0.iter().map(|(key, value)| 6 * key.len() + 4 + of(value)).sum::<usize>()
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Drop for Material {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|key| (key, MASK))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_shows_field_names_and_no_value() {
        let material = Material::of_texts([("password", "canary-7")]);
        let printed = format!("{material:?}");
        assert!(printed.contains("password") && !printed.contains("canary"), "{printed}");
        assert!(!format!("{:?}", SecretText::new("canary-7".into())).contains("canary"));
    }

    #[test]
    fn json_survives_a_round_trip() {
        let json = br#"{"a":"b\"c","n":1,"o":{"x":["y"]}}"#;
        let material = Material::from_json(json).expect("valid");
        assert_eq!(&material.to_json()[..], json);
    }

    #[test]
    fn the_buffer_never_grows() {
        let material = Material::of_texts([("k\u{1}", "\u{1}\u{2}\"\\")]);
        assert!(material.to_json().len() <= material.weight());
    }

    #[test]
    fn other_shapes_are_refused_without_an_echo() {
        for bytes in [&b"[1]"[..], b"\"canary\"", b"{", b""] {
            let error = Material::from_json(bytes).expect_err("refused");
            assert!(!error.to_string().contains("canary"));
        }
    }
}
