//! PostgreSQL's md5 form of passwords, for servers that are set to it. It is weak and must be acknowledged.

use std::fmt::Write;

use md5::{Digest, Md5};
use zeroize::Zeroizing;

/// What the server stores: `md5` and the digest of password and role.
pub(crate) fn stored(password: &str, role: &str) -> Zeroizing<String> {
    digest(&[password.as_bytes(), role.as_bytes()])
}

/// What a client answers to a challenge: the digest of the stored digits and the salt.
pub(crate) fn response(password: &str, role: &str, salt: &[u8]) -> Zeroizing<String> {
    digest(&[&stored(password, role).as_bytes()[3..], salt])
}

fn digest(parts: &[&[u8]]) -> Zeroizing<String> {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    let mut text = Zeroizing::new(String::with_capacity(35));
    text.push_str("md5");
    for byte in hash.finalize() {
        write!(*text, "{byte:02x}").expect("a string takes what is written");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_the_servers() {
        // The digest of `secretalice`, by md5sum.
        assert_eq!(stored("secret", "alice").as_str(), "md54a0a68b43b6cd5cf266fa02f196e2371");
    }
}
