//! A master key from a passphrase by Argon2id (RFC 9106).
//!
//! Salt and cost lie in a small TOML text beside the store; they are not secret, but without them the passphrase is
//! worth nothing, so they belong in every backup. Bounds: at least what OWASP's "Password Storage" asks (19 MiB, 2
//! passes), at most what a start can bear (4 GiB, 64 passes).

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keywheel_contract::{Random, SecretText};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::MasterKeys;
use super::derive::RawKey;

const ALGORITHM: &str = "argon2id";
/// NIST SP 800-63B-4 for a password that stands alone.
const MIN_CHARACTERS: usize = 15;
const HEAD: &str = "# How keywheel makes its master key from the passphrase. Not secret, and not to be lost.\n";

/// Why a passphrase gave no master key. Never repeats the passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The text of the parameters is not what was written.
    #[error("the passphrase parameters are not valid TOML")]
    Text {
        /// Where and why.
        source: toml::de::Error,
    },
    /// A parameter is out of bounds.
    #[error("passphrase parameter `{name}` must be {expected}, found `{found}`")]
    Parameter {
        /// The key in the file.
        name: &'static str,
        /// What is permitted.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The passphrase is too easy to guess.
    #[error("the passphrase must have at least {MIN_CHARACTERS} characters, found {found}")]
    Short {
        /// Characters found.
        found: usize,
    },
    /// The machine has not enough free memory.
    #[error("Argon2id could not use {memory_kib} KiB of memory: {reason}")]
    Derive {
        /// Memory asked for, in KiB.
        memory_kib: u32,
        /// What the implementation said.
        reason: argon2::Error,
    },
}

impl PassphraseError {
    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Text { .. } => "passphrase-parameters-text",
            Self::Parameter { .. } => "passphrase-parameters-bounds",
            Self::Short { .. } => "passphrase-short",
            Self::Derive { .. } => "passphrase-derive",
        }
    }

    /// What an operator does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Text { .. } | Self::Parameter { .. } => {
                "restore the file of passphrase parameters from a backup".to_owned()
            }
            Self::Short { .. } => "choose several random words".to_owned(),
            Self::Derive { memory_kib, .. } => format!("see that {memory_kib} KiB of memory are free"),
        }
    }
}

/// Salt and cost of one passphrase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassphraseParameters {
    algorithm: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

impl PassphraseParameters {
    /// Draws a salt of 16 bytes; cost 256 MiB, 3 passes, 1 lane.
    pub fn generate(random: &dyn Random) -> Self {
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let salt = STANDARD.encode(salt);
        Self { algorithm: ALGORITHM.to_owned(), memory_kib: 256 << 10, passes: 3, lanes: 1, salt }
    }

    /// Reads the text form and checks every bound.
    pub fn parse(text: &str) -> Result<Self, PassphraseError> {
        let parameters: Self = toml::from_str(text).map_err(|source| PassphraseError::Text { source })?;
        parameters.check()?;
        Ok(parameters)
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        format!("{HEAD}{}", toml::to_string(self).expect("five plain fields"))
    }

    fn check(&self) -> Result<Vec<u8>, PassphraseError> {
        let wrong = |name, expected, found: String| Err(PassphraseError::Parameter { name, expected, found });
        if self.algorithm != ALGORITHM {
            return wrong("algorithm", "`argon2id`", self.algorithm.clone());
        }
        if !(19 << 10..=4 << 20).contains(&self.memory_kib) {
            return wrong("memory_kib", "19456 to 4194304", self.memory_kib.to_string());
        }
        if !(2..=64).contains(&self.passes) {
            return wrong("passes", "2 to 64", self.passes.to_string());
        }
        if !(1..=16).contains(&self.lanes) {
            return wrong("lanes", "1 to 16", self.lanes.to_string());
        }
        match STANDARD.decode(&self.salt) {
            Ok(salt) if (16..=64).contains(&salt.len()) => Ok(salt),
            _ => wrong("salt", "16 to 64 bytes as base64", self.salt.clone()),
        }
    }

    /// Makes the master key of a passphrase, in Unicode form NFC. Takes about a second and the memory it names;
    /// blocks. A wrong passphrase is no error here: it gives a key whose id no root knows.
    pub fn derive(&self, passphrase: &SecretText) -> Result<MasterKeys, PassphraseError> {
        let salt = self.check()?;
        // NFC makes UTF-8 at most three times longer (Unicode UAX 15).
        let mut normal = Zeroizing::new(String::with_capacity(3 * passphrase.expose().len()));
        normal.extend(passphrase.expose().nfc());
        let found = normal.chars().count();
        if found < MIN_CHARACTERS {
            return Err(PassphraseError::Short { found });
        }
        let failed = |reason| PassphraseError::Derive { memory_kib: self.memory_kib, reason };
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(failed)?;
        let mut bytes = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(normal.as_bytes(), &salt, &mut bytes[..])
            .map_err(failed)?;
        Ok(MasterKeys::of(RawKey::copied(&bytes[..]).expect("32 bytes")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Seeded;
    use super::*;

    /// The cheapest parameters that are permitted, salt 0 to 15.
    fn cheap() -> PassphraseParameters {
        let salt = STANDARD.encode(std::array::from_fn::<u8, 16, _>(|i| u8::try_from(i).expect("small")));
        PassphraseParameters { algorithm: ALGORITHM.into(), memory_kib: 19 << 10, passes: 2, lanes: 1, salt }
    }

    fn derived(text: &str) -> Result<MasterKeys, PassphraseError> {
        cheap().derive(&SecretText::new(text.to_owned()))
    }

    #[test]
    fn parameters_survive_their_text_and_salts_differ() {
        let random = Seeded::new(1);
        let parameters = PassphraseParameters::generate(&random);
        assert_eq!(PassphraseParameters::parse(&parameters.to_text()).expect("its own text"), parameters);
        assert_ne!(PassphraseParameters::generate(&random), parameters);
        assert_eq!((parameters.memory_kib, parameters.passes, parameters.lanes), (262_144, 3, 1));
    }

    #[test]
    fn weak_or_absurd_parameters_are_refused() {
        for (name, changed) in [
            ("algorithm", PassphraseParameters { algorithm: "argon2i".into(), ..cheap() }),
            ("memory_kib", PassphraseParameters { memory_kib: 19_455, ..cheap() }),
            ("memory_kib", PassphraseParameters { memory_kib: u32::MAX, ..cheap() }),
            ("passes", PassphraseParameters { passes: 1, ..cheap() }),
            ("lanes", PassphraseParameters { lanes: 0, ..cheap() }),
            ("salt", PassphraseParameters { salt: STANDARD.encode([1; 15]), ..cheap() }),
            ("salt", PassphraseParameters { salt: "%".into(), ..cheap() }),
        ] {
            let error = PassphraseParameters::parse(&changed.to_text()).expect_err("refused");
            assert!(matches!(error, PassphraseError::Parameter { name: found, .. } if found == name), "{error}");
        }
        assert!(PassphraseParameters::parse(&format!("{}more = 1\n", cheap().to_text())).is_err());
    }

    #[test]
    fn the_key_is_the_one_that_another_implementation_derives() {
        let keys = derived("correct horse battery staple").expect("long enough");
        assert_eq!(keys.to_text().lines().last(), Some("gYJZtjEAJqjg26xdLmknq8/bB7MiWPrE9hsYuA+SkIU="));
    }

    #[test]
    fn one_passphrase_is_one_key_however_it_is_typed() {
        let [composed, decomposed] = ["n\u{e4}chtlicher Regen f\u{e4}llt", "na\u{308}chtlicher Regen fa\u{308}llt"]
            .map(|text| derived(text).expect("long enough").newest_id().clone());
        assert_eq!(composed, decomposed);
    }

    #[test]
    fn a_short_passphrase_is_refused_without_an_echo() {
        let error = derived("canary-14-char").expect_err("short");
        assert!(matches!(error, PassphraseError::Short { found: 14 }) && !error.to_string().contains("canary"));
    }
}
