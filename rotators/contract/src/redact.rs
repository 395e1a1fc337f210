//! Takes known secret values out of texts that come from outside, such as a target's error message.

use serde_json::Value;

use crate::{Material, SecretText, material::MASK};

/// Replaces the values that it was seeded with by a fixed mask.
#[derive(Default)]
pub struct Redactor(Vec<SecretText>);

/// Texts shorter than this are everywhere, and hiding them would hide the message.
const SHORTEST: usize = 4;

impl Redactor {
    /// Seeds a redactor with every text field of the given values, except the named public ones.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a Material>, public: &[&str]) -> Self {
        let mut known = Vec::new();
        for (name, value) in values.into_iter().flat_map(Material::expose) {
            if !public.contains(&name.as_str()) {
                collect(value, &mut known);
            }
        }
        known.sort_by_key(|text| std::cmp::Reverse(text.expose().len()));
        Self(known)
    }

    /// The text with every known value masked.
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, known| text.replace(known.expose(), MASK))
    }
}

fn collect(value: &Value, known: &mut Vec<SecretText>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST => known.push(SecretText::new(text.clone())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, known)),
        Value::Object(map) => map.values().for_each(|item| collect(item, known)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_masked_and_public_fields_are_not() {
        let material = Material::of_texts([("username", "app_a"), ("password", "s3cret-value")]);
        let redactor = Redactor::of([&material], &["username"]);
        assert_eq!(redactor.redact("role app_a with s3cret-value"), "role app_a with ********");
    }
}
