//! What lies inside a token: the value, the true time, and once more everything that names its place.
//!
//! Layout: version byte 1; number of labels as one byte; each label behind its length (four bytes, big-endian like
//! all numbers here); microseconds since 1970 as `i64`; length of the value as `u32`; the value; zeros up to the
//! next multiple of 64 bytes, so that a token tells the length of its value to 64 bytes only. An envelope is read
//! by writing the expected head and comparing, so there is one encoding of each.

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::derive::put_prefixed;

const VERSION: u8 = 1;
const STEP: usize = 64;
const TIME: usize = size_of::<i64>();
const LENGTH: usize = size_of::<u32>();

/// A value and when it was sealed.
#[derive(Clone)]
pub struct Opened {
    /// The value, in a buffer that is wiped when dropped.
    pub plain: Zeroizing<Vec<u8>>,
    /// When it was sealed, in whole microseconds.
    pub sealed_at: DateTime<Utc>,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({}, {})", super::derive::MASK, self.sealed_at)
    }
}

fn head(labels: &[&str]) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    head.push(VERSION);
    head.push(u8::try_from(labels.len()).expect("a handful of labels"));
    for label in labels {
        put_prefixed(&mut head, label.as_bytes());
    }
    head
}

/// Writes an envelope. Values longer than 4 GiB are the caller's error.
pub(super) fn write(labels: &[&str], at: DateTime<Utc>, plain: &[u8]) -> Zeroizing<Vec<u8>> {
    let head = head(labels);
    let size = (head.len() + TIME + LENGTH + plain.len()).next_multiple_of(STEP);
    // Room for everything at once: a buffer that grows leaves copies behind.
    let mut envelope = Zeroizing::new(Vec::with_capacity(size));
    envelope.extend_from_slice(&head);
    envelope.extend_from_slice(&at.timestamp_micros().to_be_bytes());
    put_prefixed(&mut envelope, plain);
    envelope.resize(size, 0);
    envelope
}

/// Reads an envelope that must carry these labels; `None` for anything else.
pub(super) fn read(labels: &[&str], envelope: &[u8]) -> Option<Opened> {
    let rest = envelope.strip_prefix(head(labels).as_slice())?;
    let (micros, rest) = rest.split_first_chunk::<TIME>()?;
    let (length, rest) = rest.split_first_chunk::<LENGTH>()?;
    let (plain, padding) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let is_padded = envelope.len().is_multiple_of(STEP) && padding.len() < STEP && padding.iter().all(|b| *b == 0);
    let sealed_at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    is_padded.then(|| Opened { plain: Zeroizing::new(plain.to_vec()), sealed_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [&str; 3] = ["record", "ten", "row"];

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_700_000_000_123_456).expect("in range")
    }

    #[test]
    fn an_envelope_of_every_length_survives() {
        for length in 0..200 {
            let plain: Vec<u8> = (0..length).collect();
            let envelope = write(&LABELS, at(), &plain);
            assert_eq!(envelope.len() % 64, 0);
            assert_eq!(envelope.capacity(), envelope.len());
            let opened = read(&LABELS, &envelope).expect("its own labels");
            assert_eq!((&opened.plain[..], opened.sealed_at), (&plain[..], at()));
        }
    }

    #[test]
    fn other_labels_are_refused() {
        let envelope = write(&LABELS, at(), b"value");
        for labels in [&["record", "ten", "wor"][..], &["record", "ten"], &["record", "ten", "row", ""], &["recordten"]]
        {
            assert!(read(labels, &envelope).is_none(), "{labels:?}");
        }
    }

    #[test]
    fn a_cut_longer_or_dirty_envelope_is_refused() {
        let envelope = write(&LABELS, at(), b"value");
        assert!((0..envelope.len()).all(|end| read(&LABELS, &envelope[..end]).is_none()));
        let longer = [&envelope[..], &[0; 64]].concat();
        assert!(read(&LABELS, &longer).is_none());
        let mut dirty = envelope.to_vec();
        *dirty.last_mut().expect("not empty") = 1;
        assert!(read(&LABELS, &dirty).is_none());
    }

    #[test]
    fn an_opened_value_does_not_print() {
        let opened = read(&LABELS, &write(&LABELS, at(), b"canary")).expect("its own labels");
        assert!(!format!("{opened:?}").contains("canary") && !format!("{opened:?}").contains("99, 97"));
    }
}
