//! A stored token: a format byte, then a Fernet token as text (<https://github.com/fernet/spec>).
//!
//! Fernet's own time is always 0 and its clock is never consulted: what is at rest must open after any step of a
//! clock, and the time of a rotation is nobody's business. The true time lies in the envelope. One byte string
//! opens: base64 with more or fewer `=` than the canonical text is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use chrono::{DateTime, Utc};
use fernet::Fernet;
use zeroize::Zeroizing;

use super::derive::RawKey;
use super::envelope::{self, Opened};

/// Fernet around envelope version 1.
const FORMAT: u8 = 1;

/// The cipher under this key.
pub(super) fn cipher(key: &RawKey) -> Fernet {
    let mut text = Zeroizing::new([0; 44]);
    URL_SAFE.encode_slice(key.expose(), &mut text[..]).expect("32 bytes are 44 characters");
    let text = std::str::from_utf8(&text[..]).expect("base64 is ASCII");
    Fernet::new(text).expect("32 bytes are a Fernet key")
}

/// Makes a stored token that opens under this key and these labels only.
pub(super) fn make(key: &RawKey, labels: &[&str], at: DateTime<Utc>, plain: &[u8]) -> Vec<u8> {
    let token = cipher(key).encrypt_at_time(&envelope::write(labels, at, plain), 0);
    let mut stored = Vec::with_capacity(1 + token.len());
    stored.push(FORMAT);
    stored.extend_from_slice(token.as_bytes());
    stored
}

/// Opens a stored token; `None` whatever the reason, so that a refusal tells nothing.
pub(super) fn open(key: &RawKey, labels: &[&str], stored: &[u8]) -> Option<Opened> {
    let (format, token) = stored.split_first()?;
    let token = std::str::from_utf8(token).ok()?;
    let digits = token.trim_end_matches('=').len();
    if *format != FORMAT || digits.next_multiple_of(4) != token.len() {
        return None;
    }
    let envelope = Zeroizing::new(cipher(key).decrypt_at_time(token, None, 0).ok()?);
    envelope::read(labels, &envelope)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [&str; 2] = ["record", "row"];

    fn key(byte: u8) -> RawKey {
        RawKey::copied(&[byte; 32]).expect("32 bytes")
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("in range")
    }

    #[test]
    fn the_right_key_does_not_open_other_labels() {
        let stored = make(&key(1), &LABELS, at(0), b"value");
        assert!(open(&key(1), &LABELS, &stored).is_some());
        assert!(open(&key(1), &["record", "wor"], &stored).is_none());
    }

    #[test]
    fn the_right_labels_do_not_open_under_another_key() {
        assert!(open(&key(2), &LABELS, &make(&key(1), &LABELS, at(0), b"value")).is_none());
    }

    #[test]
    fn fernets_own_time_is_always_zero() {
        for seconds in [0, 2_147_483_648, 4_294_967_296, -1] {
            let stored = make(&key(1), &LABELS, at(seconds), b"value");
            let bytes = URL_SAFE.decode(&stored[1..]).expect("base64");
            assert_eq!(bytes[1..9], [0; 8]);
            assert_eq!(open(&key(1), &LABELS, &stored).map(|o| o.sealed_at), Some(at(seconds)));
        }
    }

    #[test]
    fn another_spelling_of_the_same_token_is_refused() {
        for length in 0..192 {
            let stored = make(&key(1), &LABELS, at(0), &vec![7; length]);
            let bare = stored.iter().copied().filter(|b| *b != b'=').collect::<Vec<_>>();
            let spellings = (0..9).map(|signs| [&bare[..], &vec![b'='; signs]].concat());
            assert!(spellings.filter(|s| *s != stored).all(|s| open(&key(1), &LABELS, &s).is_none()), "{length}");
        }
    }

    #[test]
    fn no_two_tokens_of_one_value_are_equal() {
        let [one, two] = [(); 2].map(|()| make(&key(1), &LABELS, at(0), b"value"));
        assert_ne!(one, two);
    }

    #[test]
    fn nothing_and_an_unknown_format_are_refused() {
        let mut stored = make(&key(1), &LABELS, at(0), b"value");
        stored[0] = 2;
        for bytes in [&stored[..], &[], &[1], &[1, 255]] {
            assert!(open(&key(1), &LABELS, bytes).is_none());
        }
    }
}
