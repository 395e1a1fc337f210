//! Looks for secret values in texts, in clear and in the usual encodings.

use std::fmt::Write;

use serde_json::Value;

use crate::Material;

/// Texts shorter than this occur by chance.
const SHORTEST: usize = 6;

/// Secret values to look for, each in its encodings.
#[derive(Default)]
pub(super) struct Canaries(Vec<(String, Vec<String>)>);

impl Canaries {
    /// Looks for every text of a value from now on, under a name for messages.
    pub(super) fn watch(&mut self, whose: &str, material: &Material, public: &[&str]) {
        for (field, value) in material.expose() {
            if !public.contains(&field.as_str()) {
                self.watch_value(&format!("{whose}.{field}"), value);
            }
        }
    }

    fn watch_value(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) if text.len() >= SHORTEST => self.0.push((name.to_owned(), encodings(text))),
            Value::Array(items) => items.iter().for_each(|item| self.watch_value(name, item)),
            Value::Object(fields) => fields.values().for_each(|item| self.watch_value(name, item)),
            _ => {}
        }
    }

    /// The name of the first secret that a text holds.
    pub(super) fn found_in(&self, text: &str) -> Option<&str> {
        let lower = text.to_ascii_lowercase();
        let holds = |form: &String| text.contains(form) || lower.contains(&form.to_ascii_lowercase());
        self.0.iter().find(|(_, forms)| forms.iter().any(holds)).map(|(name, _)| name.as_str())
    }

    /// Whether there is anything to look for: else a clean scan means nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn encodings(text: &str) -> Vec<String> {
    let debug = format!("{text:?}");
    let mut forms = vec![
        text.to_owned(),
        debug[1..debug.len() - 1].to_owned(),
        text.chars().rev().collect(),
        base64(text.as_bytes()),
        text.bytes().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
        text.bytes().fold(String::new(), |mut url, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                let _ = write!(url, "%{byte:02x}");
            }
            url
        }),
    ];
    forms.dedup();
    forms
}

/// Base 64 (RFC 4648) without padding and without the bits of an incomplete last group, so that it is also found
/// inside a longer encoded text that begins with it.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks_exact(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        for shift in [18, 12, 6, 0] {
            text.push(char::from(DIGITS[usize::try_from((bits >> shift) & 63).expect("six bits fit")]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_each_encoding() {
        let mut canaries = Canaries::default();
        canaries.watch(
            "current",
            &Material::of_texts([("username", "app_user"), ("password", "s3cret/v\"ue")]),
            &["username"],
        );
        for text in [
            "it said s3cret/v\"ue twice",
            r#"Some("s3cret/v\"ue")"#,
            "eu\"v/terc3s",
            "Basic czNjcmV0L3YidWU=",
            "733363726574 and 7333637265742F76227565",
            "https://x/?p=s3cret%2Fv%22ue",
        ] {
            assert_eq!(canaries.found_in(text), Some("current.password"), "{text}");
        }
        assert_eq!(canaries.found_in("app_user failed with ********"), None);
    }
}
