//! SCRAM-SHA-256: the keys of RFC 5802 and RFC 7677, and PostgreSQL's text form of a verifier, which its source
//! calls a secret (`scram-common.c`).

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::{digest, hmac, pbkdf2};
use zeroize::{Zeroize, Zeroizing};

use super::fresh;

/// The rounds of a server that cannot be told otherwise (before 16).
pub(crate) const DEFAULT_ROUNDS: u32 = 4096;

/// The keys that follow from a password, a salt and a number of rounds.
pub(crate) struct Keys {
    client: [u8; 32],
    server: [u8; 32],
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.client.zeroize();
        self.server.zeroize();
    }
}

/// Derives the keys; about a millisecond of computing for 4,096 rounds. At least one round is made.
pub(crate) fn keys(password: &str, salt: &[u8], rounds: u32) -> Keys {
    let prepared = prepare(password);
    let rounds = std::num::NonZeroU32::new(rounds).unwrap_or(std::num::NonZeroU32::MIN);
    let mut salted = Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, prepared.as_bytes(), &mut *salted);
    Keys { client: sign(&*salted, b"Client Key"), server: sign(&*salted, b"Server Key") }
}

/// Derives the keys on a thread for blocking work. The error says that the thread was lost.
async fn keys_aside(password: Zeroizing<String>, salt: Vec<u8>, rounds: u32) -> Result<Keys, String> {
    tokio::task::spawn_blocking(move || keys(&password, &salt, rounds)).await.map_err(|e| e.to_string())
}

/// The keys for a login: those that a verifier was just made with, or derived anew.
pub(crate) async fn keys_to_log_in(password: Zeroizing<String>, salt: Vec<u8>, rounds: u32) -> Result<Keys, String> {
    match fresh::take(fresh::mark(&password, &salt, rounds)) {
        Some(keys) => Ok(keys),
        None => keys_aside(password, salt, rounds).await,
    }
}

/// Makes a verifier; the login that verifies it finds the keys.
pub(crate) async fn make_verifier(
    password: Zeroizing<String>,
    salt: &[u8],
    rounds: u32,
) -> Result<Zeroizing<String>, String> {
    let mark = fresh::mark(&password, salt, rounds);
    let keys = keys_aside(password, salt.to_vec(), rounds).await?;
    let verifier = keys.verifier(salt, rounds);
    fresh::keep(mark, keys);
    Ok(verifier)
}

impl Keys {
    /// The text that the server stores: it lets the server check a password, and nobody log in.
    pub(crate) fn verifier(&self, salt: &[u8], rounds: u32) -> Zeroizing<String> {
        let stored = digest::digest(&digest::SHA256, &self.client);
        let [salt, stored, server] = [salt, stored.as_ref(), &self.server].map(|part| BASE64_STANDARD.encode(part));
        Zeroizing::new(format!("SCRAM-SHA-256${rounds}:{salt}${stored}:{server}"))
    }

    /// The client's proof and the signature that the server must answer with, for one exchange of messages.
    pub(crate) fn prove(&self, messages: &str) -> ([u8; 32], [u8; 32]) {
        let stored = digest::digest(&digest::SHA256, &self.client);
        let mut proof = sign(stored.as_ref(), messages.as_bytes());
        proof.iter_mut().zip(self.client).for_each(|(byte, key)| *byte ^= key);
        (proof, sign(&self.server, messages.as_bytes()))
    }
}

fn sign(key: &[u8], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// SASLprep (RFC 4013) as PostgreSQL does it: ASCII stays as it is, and what the profile prohibits is used raw.
fn prepare(password: &str) -> Zeroizing<String> {
    let raw = || Zeroizing::new(password.to_owned());
    if password.is_ascii() {
        return raw();
    }
    match stringprep::saslprep(password) {
        Ok(prepared) if !prepared.is_empty() => Zeroizing::new(prepared.into_owned()),
        _ => raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_of_rfc_7677_is_reproduced() {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("valid");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let messages =
            format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}");
        let (proof, signature) = keys("pencil", &salt, 4096).prove(&messages);
        assert_eq!(BASE64_STANDARD.encode(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(BASE64_STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_password_is_prepared_as_the_server_prepares_it() {
        // RFC 4013, section 3, and what the profile prohibits, which the server then takes raw.
        for (given, expected) in [
            ("IX", "IX"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("I\u{ad}X\u{aa}", "IXa"),
            ("a\u{7}", "a\u{7}"),
            ("\u{627}1", "\u{627}1"),
            ("\u{ad}", "\u{ad}"),
        ] {
            assert_eq!(prepare(given).as_str(), expected, "{given:?}");
        }
    }

    #[test]
    fn a_verifier_has_the_servers_form() {
        let verifier = keys("pencil", b"0123456789abcdef", 4096).verifier(b"0123456789abcdef", 4096);
        let parts: Vec<&str> = verifier.split(['$', ':']).collect();
        assert_eq!(parts[..3], ["SCRAM-SHA-256", "4096", "MDEyMzQ1Njc4OWFiY2RlZg=="]);
        assert!(parts[3..].iter().all(|key| BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 32)));
    }
}
