//! Signatures by Standard Webhooks: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over `id.timestamp.body`.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>. While a key is being
//! changed both sign, and the receiver takes either.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{hmac, signature::Ed25519KeyPair};

use super::{Credentials, NotifyError, channel::text_of, settings::credential};

/// The shortest key of an HMAC, in bytes.
const SHORTEST_KEY: usize = 16;

/// The keys that sign, current ones first.
pub(super) struct Signer {
    shared: Vec<hmac::Key>,
    private: Vec<Ed25519KeyPair>,
}

impl Signer {
    /// Takes the keys that the settings name.
    pub(super) fn open(credentials: &Credentials, has_shared: bool, has_private: bool) -> Result<Self, NotifyError> {
        let mut signer = Self { shared: Vec::new(), private: Vec::new() };
        if has_shared {
            signer.shared = keys(credentials, "signing", shared)?;
        }
        if has_private {
            signer.private = keys(credentials, "signing_key", private)?;
        }
        Ok(signer)
    }

    /// The value of `webhook-signature`, if there is a key.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
        let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
        let shared = self.shared.iter().map(|key| ("v1", STANDARD.encode(hmac::sign(key, &signed))));
        let private = self.private.iter().map(|key| ("v1a", STANDARD.encode(key.sign(&signed))));
        let all: Vec<String> = shared.chain(private).map(|(version, text)| format!("{version},{text}")).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }
}

/// The current key, which must serve, and the previous one, if it does.
fn keys<K>(
    credentials: &Credentials,
    field: &str,
    read: impl Fn(&str) -> Result<K, &'static str>,
) -> Result<Vec<K>, NotifyError> {
    let unusable = |sentence: &str| NotifyError::Credential {
        key: format!("{field}_secret"),
        sentence: sentence.to_owned(),
        hint: "`whsec_` and 24 to 64 random bytes in base64; for Ed25519 `whsk_` and the 32 bytes of the private key"
            .to_owned(),
    };
    let current = read(credential(credentials, field)?).map_err(unusable)?;
    let previous = credentials.previous(field).and_then(|material| text_of(material, field));
    Ok([Some(current), previous.and_then(|text| read(text).ok())].into_iter().flatten().collect())
}

/// A shared key: `whsec_` and base64, or any other text as its bytes.
fn shared(text: &str) -> Result<hmac::Key, &'static str> {
    let decoded =
        text.strip_prefix("whsec_").map(|rest| STANDARD.decode(rest).map_err(|_| "is not base64 after `whsec_`"));
    let bytes = decoded.unwrap_or_else(|| Ok(text.as_bytes().to_vec()))?;
    let bytes = zeroize::Zeroizing::new(bytes);
    if bytes.len() < SHORTEST_KEY {
        Err("is too short to sign with")
    } else {
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }
}

/// A private key: `whsk_` and base64 of the seed, with or without the public key behind it.
fn private(text: &str) -> Result<Ed25519KeyPair, &'static str> {
    let rest = text.strip_prefix("whsk_").ok_or("does not begin with `whsk_`")?;
    let bytes = zeroize::Zeroizing::new(STANDARD.decode(rest).map_err(|_| "is not base64 after `whsk_`")?);
    match bytes.len() {
        32 => Ed25519KeyPair::from_seed_unchecked(&bytes).map_err(|_| "is not a private key"),
        64 => Ed25519KeyPair::from_seed_and_public_key(&bytes[..32], &bytes[32..]).map_err(|_| "is not a pair of keys"),
        _ => Err("has neither 32 nor 64 bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Material;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_known_answer_of_the_reference_libraries_is_made() {
        let secret = Material::of_texts([("value", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]);
        let signer = Signer::open(&Credentials::none().with("signing", secret), true, false).expect("a key");
        let signed = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn keys_that_cannot_sign_are_refused_without_an_echo() {
        for text in ["whsec_canary!", "canary", "whsec_AAAA"] {
            assert!(shared(text).is_err(), "{text}");
            let credentials = Credentials::none().with("signing", Material::of_texts([("value", text)]));
            let error = Signer::open(&credentials, true, false).err().expect("refused");
            assert!(!error.to_string().contains("canary"));
        }
        assert!(private("whsk_AAAA").is_err() && private("AAAA").is_err());
        assert!(private(&format!("whsk_{}", STANDARD.encode([7; 32]))).is_ok());
    }
}
