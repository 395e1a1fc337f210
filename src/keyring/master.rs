//! Master keys: the keys that come from outside the store and wrap the roots.
//!
//! Text form: one key of 32 bytes as base64 a line, newest first; what follows a `#` is a comment. Only the newest
//! wraps; older ones stay in the list for as long as a root, or a backup, still needs them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keywheel_contract::Random;
use zeroize::Zeroizing;

use super::derive::{MASK, RawKey, hex};

const TEXT_HEAD: &str = "# keywheel master keys, newest first; keep a copy of this file where the store is not\n";
const LINE: usize = 44;

/// Recognises a master key without revealing it: 16 hexadecimal digits, derived from the key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterId(String);

impl MasterId {
    /// Reads an id from its text; `None` if it is not 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| Self(text.to_owned()))
    }

    /// The text of this id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MasterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a list of master keys. Never repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterError {
    /// There is no line with a key.
    #[error("the text holds no master key")]
    Empty,
    /// A line is not one key.
    #[error("line {line} is not 32 bytes as base64")]
    Line {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A key stands in the list two times.
    #[error("line {line} repeats master key `{id}`")]
    Repeated {
        /// The number of the second line, from 1.
        line: usize,
        /// The key that is repeated.
        id: MasterId,
    },
}

/// One master key and its id.
#[derive(Clone)]
pub(super) struct MasterKey {
    id: MasterId,
    raw: RawKey,
}

impl MasterKey {
    pub(super) fn new(raw: RawKey) -> Self {
        Self { id: MasterId(hex(&raw.derive("master-id", &[]).expose()[..8])), raw }
    }

    /// What recognises this key.
    pub(super) fn id(&self) -> &MasterId {
        &self.id
    }

    /// The key itself.
    pub(super) fn raw(&self) -> &RawKey {
        &self.raw
    }
}

/// Master keys, newest first, at least one; wiped when dropped.
#[derive(Clone)]
pub struct MasterKeys(Vec<MasterKey>);

impl MasterKeys {
    /// Draws a list of one new key.
    pub fn generate(random: &dyn Random) -> Self {
        Self(vec![MasterKey::new(RawKey::draw(random))])
    }

    /// The list of this one key.
    pub(super) fn of(raw: RawKey) -> Self {
        Self(vec![MasterKey::new(raw)])
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, MasterError> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let content = line.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            let line = index + 1;
            let key = MasterKey::new(decode(content).ok_or(MasterError::Line { line })?);
            if keys.iter().any(|known| known.id == key.id) {
                return Err(MasterError::Repeated { line, id: key.id });
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(MasterError::Empty) } else { Ok(Self(keys)) }
    }

    /// This list with a new key before all others.
    #[must_use]
    pub fn prepend_new(&self, random: &dyn Random) -> Self {
        Self::generate(random).followed_by(self)
    }

    /// This list with the keys of an older one behind it, as for a change from one source to another.
    #[must_use]
    pub fn followed_by(mut self, older: &Self) -> Self {
        for key in &older.0 {
            if self.find(&key.id).is_none() {
                self.0.push(key.clone());
            }
        }
        self
    }

    /// The ids of all keys, newest first.
    pub fn ids(&self) -> impl Iterator<Item = &MasterId> {
        self.0.iter().map(MasterKey::id)
    }

    /// The id of the key that wraps.
    pub fn newest_id(&self) -> &MasterId {
        self.newest().id()
    }

    /// The key that wraps.
    pub(super) fn newest(&self) -> &MasterKey {
        self.0.first().expect("a list of master keys has at least one")
    }

    /// The key with this id.
    pub(super) fn find(&self, id: &MasterId) -> Option<&MasterKey> {
        self.0.iter().find(|key| key.id == *id)
    }

    /// The text form, in a buffer that is wiped when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TEXT_HEAD.len() + self.0.len() * (LINE + 1)));
        text.push_str(TEXT_HEAD);
        for key in &self.0 {
            let mut line = Zeroizing::new([0; LINE]);
            STANDARD.encode_slice(key.raw.expose(), &mut line[..]).expect("32 bytes are 44 characters");
            text.push_str(std::str::from_utf8(&line[..]).expect("base64 is ASCII"));
            text.push('\n');
        }
        text
    }
}

fn decode(line: &str) -> Option<RawKey> {
    let mut bytes = Zeroizing::new([0; 48]);
    let length = STANDARD.decode_slice(line, &mut bytes[..]).ok()?;
    RawKey::copied(&bytes[..length])
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Seeded;
    use super::*;

    #[test]
    fn a_list_survives_its_text() {
        let random = Seeded::new(1);
        let keys = MasterKeys::generate(&random).prepend_new(&random).prepend_new(&random);
        let text = keys.to_text();
        let again = MasterKeys::parse(&text).expect("its own text");
        assert_eq!(again.ids().collect::<Vec<_>>(), keys.ids().collect::<Vec<_>>());
        assert_eq!(again.newest().raw().expose(), keys.newest().raw().expose());
        assert_eq!(text.capacity(), text.len());
    }

    #[test]
    fn a_new_key_comes_first_and_the_old_one_stays() {
        let random = Seeded::new(1);
        let old = MasterKeys::generate(&random);
        let new = old.prepend_new(&random);
        assert_ne!(new.newest_id(), old.newest_id());
        assert!(new.find(old.newest_id()).is_some());
        assert_eq!(new.ids().count(), 2);
    }

    #[test]
    fn an_id_tells_nothing_but_which_key_it_is() {
        let keys = MasterKeys::generate(&Seeded::new(1));
        let raw = hex(keys.newest().raw().expose());
        assert!(!raw.contains(keys.newest_id().as_str()));
        assert_eq!(MasterId::parse(keys.newest_id().as_str()).as_ref(), Some(keys.newest_id()));
    }

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let text = MasterKeys::generate(&Seeded::new(1)).to_text();
        let key = text.lines().last().expect("a key");
        let noisy = format!("\r\n  # old\n\n  {key}   # from 2024\r\n");
        assert_eq!(MasterKeys::parse(&noisy).expect("one key").ids().count(), 1);
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_not_repeated() {
        let text = MasterKeys::generate(&Seeded::new(1)).to_text();
        let key = text.lines().last().expect("a key");
        for bad in ["canary", &key[1..], &format!("{key}{key}"), &format!("{key} {key}"), &key.replace('=', "")] {
            let error = MasterKeys::parse(&format!("# head\n{key}\n{bad}\n")).expect_err("refused");
            assert_eq!(error, MasterError::Line { line: 3 });
            assert!(!error.to_string().contains(bad));
        }
        assert_eq!(MasterKeys::parse("# nothing\n").expect_err("refused"), MasterError::Empty);
        let repeated = MasterKeys::parse(&format!("{key}\n{key}")).expect_err("refused");
        assert!(matches!(repeated, MasterError::Repeated { line: 2, .. }));
    }

    #[test]
    fn a_list_prints_as_a_mask() {
        assert_eq!(format!("{:?}", MasterKeys::generate(&Seeded::new(1))), MASK);
    }
}
