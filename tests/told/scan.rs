//! Looks for a value in bytes in each form in which it could leak, and in every file below a folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// A value in the forms that are searched for.
pub(super) struct Wanted(Vec<Vec<u8>>);

impl Wanted {
    pub(super) fn new(value: &str) -> Self {
        let bytes = value.as_bytes();
        let (hex, url) = (each(bytes, |byte| format!("{byte:02x}")), each(bytes, |byte| format!("%{byte:02X}")));
        let mut forms = vec![value.to_owned(), hex.to_uppercase(), hex, url.to_lowercase(), url];
        for ahead in 0..3 {
            forms.push(within(&STANDARD_NO_PAD.encode([&vec![0; ahead], bytes].concat()), ahead));
            forms.push(within(&URL_SAFE_NO_PAD.encode([&vec![0; ahead], bytes].concat()), ahead));
        }
        Self(forms.into_iter().map(String::into_bytes).collect())
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.0.iter().any(|form| holds(text, form))
    }
}

/// A text for each byte, joined.
fn each(bytes: &[u8], text: impl Fn(&u8) -> String) -> String {
    bytes.iter().map(text).collect::<Vec<_>>().concat()
}

/// The characters of a base64 text that depend on nothing before or behind the value.
fn within(text: &str, ahead: usize) -> String {
    let begin = [0, 2, 3][ahead];
    text[begin..text.len() - 1].to_owned()
}

fn holds(text: &[u8], form: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == form[0]) {
        rest = &rest[at..];
        if rest.starts_with(form) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

/// The content of every file below a folder.
pub(crate) fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.is_file() {
            found.push((path.display().to_string(), fs::read(&path)?));
        }
    }
    Ok(found)
}

/// Fails where one of the values stands in one of the places; answers how many comparisons were made.
pub(crate) fn prove_absent(values: &[String], places: &[(String, Vec<u8>)]) -> Result<u64> {
    let mut looked = 0;
    for value in values {
        let wanted = Wanted::new(value);
        for (place, text) in places {
            ensure!(!wanted.is_in(text), "`{place}` holds a value in clear");
            looked += 1;
        }
    }
    Ok(looked)
}

#[test]
fn each_form_of_a_value_is_found_wherever_it_begins() {
    let value = "kwCanary-7f/3+?x";
    let wanted = Wanted::new(value);
    let hex = each(value.as_bytes(), |byte| format!("{byte:02X}"));
    let url = each(value.as_bytes(), |byte| format!("%{byte:02x}"));
    for ahead in 0..7 {
        let raw = [&b"+".repeat(ahead), value.as_bytes(), b"tail"].concat();
        let forms = [STANDARD_NO_PAD.encode(&raw), URL_SAFE_NO_PAD.encode(&raw), hex.clone(), url.clone()];
        assert!(wanted.is_in(&raw) && forms.iter().all(|form| wanted.is_in(form.as_bytes())), "{ahead}");
    }
    assert!(!wanted.is_in(b"kwCanary-7f/3+?y"));
    assert!(prove_absent(&[value.to_owned()], &[("a log".to_owned(), value.into())]).is_err());
}
