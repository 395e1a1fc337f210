//! Passwords made here: uniform over an alphabet, never over what a modulus leaves.

use serde::{Deserialize, Serialize};

use crate::SecretText;

/// A source of random bytes. The daemon's is the operating system's; tests pass a seeded one.
pub trait Random: Send + Sync {
    /// Fills the buffer with random bytes.
    fn fill(&self, buffer: &mut [u8]);
}

/// What a password must look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordRules {
    /// Characters, 8 to 1,024; the default is 32.
    pub length: usize,
    /// The characters to draw from; the default is letters and digits.
    pub alphabet: String,
    /// Characters that must not occur, taken out of the alphabet.
    pub forbidden: String,
    /// At least one character from each of these sets.
    pub require: Vec<String>,
}

const LETTERS_AND_DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Default for PasswordRules {
    fn default() -> Self {
        Self { length: 32, alphabet: LETTERS_AND_DIGITS.to_owned(), forbidden: String::new(), require: Vec::new() }
    }
}

/// Why password rules cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The length is out of bounds.
    #[error("`length` must be 8 to 1024, found {0}")]
    Length(usize),
    /// Too few different characters remain.
    #[error("the alphabet without the forbidden characters must leave at least 10 characters, found {0}")]
    Alphabet(usize),
    /// Characters outside printable ASCII are not portable between servers and drivers.
    #[error("passwords are made of printable ASCII, found {0:?}")]
    NotAscii(char),
    /// A required set has no permitted character, or there are more sets than characters.
    #[error("the required set `{0}` leaves no permitted character")]
    Require(String),
}

impl PasswordRules {
    /// The permitted characters, each once.
    pub fn characters(&self) -> Result<Vec<char>, RulesError> {
        if !(8..=1024).contains(&self.length) {
            return Err(RulesError::Length(self.length));
        }
        let mut characters: Vec<char> = self.alphabet.chars().filter(|c| !self.forbidden.contains(*c)).collect();
        characters.sort_unstable();
        characters.dedup();
        if let Some(odd) = characters.iter().find(|c| !c.is_ascii_graphic()) {
            return Err(RulesError::NotAscii(*odd));
        }
        if characters.len() < 10 {
            return Err(RulesError::Alphabet(characters.len()));
        }
        for set in &self.require {
            if self.require.len() > self.length || !set.chars().any(|c| characters.contains(&c)) {
                return Err(RulesError::Require(set.clone()));
            }
        }
        Ok(characters)
    }
}

/// Makes a password by the rules. Each draw is uniform; a draw that misses a required set is thrown away whole, so
/// that what remains is uniform over the permitted passwords. After 10,000 misses the required characters are put
/// at random places instead.
pub fn mint_password(random: &dyn Random, rules: &PasswordRules) -> Result<SecretText, RulesError> {
    let characters = rules.characters()?;
    for _ in 0..10_000 {
        let mut text = String::with_capacity(rules.length);
        (0..rules.length).for_each(|_| text.push(*pick(random, &characters)));
        if rules.require.iter().all(|set| text.chars().any(|c| set.contains(c))) {
            return Ok(SecretText::new(text));
        }
    }
    let mut drawn: Vec<char> = (0..rules.length).map(|_| *pick(random, &characters)).collect();
    let mut places: Vec<usize> = (0..rules.length).collect();
    for set in &rules.require {
        let permitted: Vec<char> = characters.iter().copied().filter(|c| set.contains(*c)).collect();
        let place = places.swap_remove(below(random, places.len()));
        drawn[place] = *pick(random, &permitted);
    }
    Ok(SecretText::new(drawn.into_iter().collect()))
}

fn pick<'a, T>(random: &dyn Random, items: &'a [T]) -> &'a T {
    &items[below(random, items.len())]
}

/// A uniform number below `bound` (1 to 2^16), by rejection.
fn below(random: &dyn Random, bound: usize) -> usize {
    let bound = u32::try_from(bound).expect("bounds are small");
    let limit = u32::MAX - u32::MAX % bound;
    loop {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let drawn = u32::from_le_bytes(bytes);
        if drawn < limit {
            return usize::try_from(drawn % bound).expect("fits");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Counter(AtomicU64);

    impl Random for Counter {
        fn fill(&self, buffer: &mut [u8]) {
            for byte in buffer {
                // SplitMix64 (Steele, Lea, Flood 2014).
                let n = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
                let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                *byte = (n ^ (n >> 31)).to_be_bytes()[0];
            }
        }
    }

    #[test]
    fn rules_are_obeyed() {
        let rules = PasswordRules {
            length: 12,
            alphabet: format!("{LETTERS_AND_DIGITS}!#%"),
            forbidden: "l1O0".into(),
            require: vec!["!#%".into(), "0123456789".into()],
        };
        let random = Counter(AtomicU64::new(1));
        for _ in 0..500 {
            let password = mint_password(&random, &rules).expect("possible");
            let text = password.expose();
            assert_eq!(text.len(), 12);
            assert!(text.chars().all(|c| !rules.forbidden.contains(c)));
            assert!(rules.require.iter().all(|set| text.chars().any(|c| set.contains(c))), "{text}");
        }
    }

    #[test]
    fn every_character_is_drawn_about_equally_often() {
        let random = Counter(AtomicU64::new(7));
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..2_000 {
            let password = mint_password(&random, &PasswordRules::default()).expect("possible");
            password.expose().chars().for_each(|c| *seen.entry(c).or_insert(0_u32) += 1);
        }
        let expected = 2_000 * 32 / 62;
        assert_eq!(seen.len(), 62);
        assert!(seen.values().all(|n| n.abs_diff(expected) < expected / 4), "{seen:?}");
    }

    #[test]
    fn impossible_rules_are_refused() {
        let rules = |f: fn(&mut PasswordRules)| {
            let mut rules = PasswordRules::default();
            f(&mut rules);
            rules.characters().expect_err("impossible")
        };
        assert_eq!(rules(|r| r.length = 7), RulesError::Length(7));
        assert_eq!(rules(|r| r.alphabet = "aab".into()), RulesError::Alphabet(2));
        assert_eq!(rules(|r| r.alphabet.push('é')), RulesError::NotAscii('é'));
        assert_eq!(rules(|r| r.require.push("!".into())), RulesError::Require("!".into()));
    }
}
