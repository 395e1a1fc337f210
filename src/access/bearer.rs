//! What a bearer token looks like: `kw_`, 32 random bytes as 43 digits of base 62, and 6 digits of checksum.
//!
//! The checksum is the first four bytes of the SHA-256 of what stands before it. It proves nothing: it lets a scanner
//! that looks for leaked tokens (`kw_[0-9A-Za-z]{49}`) tell one from other text, and a mistyped one be refused without
//! asking the store.

use ring::digest;

use crate::model::SecretText;

/// What every token begins with.
pub const PREFIX: &str = "kw_";
/// Bytes of randomness in a token.
pub const RANDOM_BYTES: usize = 32;
/// Characters of a token.
pub const LENGTH: usize = PREFIX.len() + BODY + CHECK;

/// 43 digits hold 256.03 bits.
const BODY: usize = 43;
/// 6 digits hold 35.7 bits.
const CHECK: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Writes a token of fresh random bytes.
pub fn make(random: &[u8; RANDOM_BYTES]) -> SecretText {
    // Whole from the start: growing would leave copies behind.
    let mut text = String::with_capacity(LENGTH);
    text.push_str(PREFIX);
    push_digits(&mut text, random, BODY);
    let check = checksum(text.as_bytes());
    push_digits(&mut text, &check, CHECK);
    SecretText::new(text)
}

/// Whether a text is one that [`make`] may have written. Says nothing about whether there is such a token.
pub fn is_well_formed(text: &[u8]) -> bool {
    let Some((body, check)) = text.split_at_checked(LENGTH - CHECK) else { return false };
    if check.len() != CHECK || !body.starts_with(PREFIX.as_bytes()) {
        return false;
    }
    let mut expected = String::with_capacity(CHECK);
    push_digits(&mut expected, &checksum(body), CHECK);
    body[PREFIX.len()..].iter().all(u8::is_ascii_alphanumeric) && check == expected.as_bytes()
}

fn checksum(text: &[u8]) -> [u8; 4] {
    let digest = digest::digest(&digest::SHA256, text);
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

/// Writes a big-endian number in base 62, with leading zeros.
fn push_digits(text: &mut String, number: &[u8], count: usize) {
    let mut rest = zeroize::Zeroizing::new(number.to_vec());
    let mut digits = zeroize::Zeroizing::new(vec![0_u8; count]);
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u16;
        for byte in rest.iter_mut() {
            let value = (remainder << 8) | u16::from(*byte);
            *byte = u8::try_from(value / 62).expect("below 256, as the remainder is below 62");
            remainder = value % 62;
        }
        *digit = DIGITS[usize::from(remainder)];
    }
    text.extend(digits.iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_form_whatever_its_bytes() {
        for random in [[0; 32], [255; 32], [7; 32]] {
            let token = make(&random);
            assert_eq!(token.expose().len(), LENGTH);
            assert!(token.expose().starts_with("kw_") && is_well_formed(token.expose().as_bytes()));
        }
        assert_ne!(make(&[0; 32]).expose(), make(&[1; 32]).expose());
    }

    #[test]
    fn digits_are_those_of_the_number() {
        let digits = |number: &[u8], count| {
            let mut text = String::new();
            push_digits(&mut text, number, count);
            text
        };
        assert_eq!(digits(&[61], 2), "0z");
        assert_eq!(digits(&[62], 2), "10");
        assert_eq!(digits(&[255; 32], 43), largest());
    }

    /// 2^256 - 1 in base 62, by long addition: doubled 256 times from zero, adding one.
    fn largest() -> String {
        let mut digits = vec![0_usize; 43];
        for _ in 0..256 {
            let mut carry = 1;
            for digit in digits.iter_mut().rev() {
                let value = *digit * 2 + carry;
                (*digit, carry) = (value % 62, value / 62);
            }
        }
        digits.into_iter().map(|digit| char::from(DIGITS[digit])).collect()
    }

    #[test]
    fn each_prefix_extension_and_changed_character_is_malformed() {
        let token = make(&[42; 32]);
        let text = token.expose().as_bytes();
        for end in 0..text.len() {
            assert!(!is_well_formed(&text[..end]), "{end}");
        }
        for more in [&b" "[..], b"0", b"\0", b"\n"] {
            assert!(!is_well_formed(&[text, more].concat()));
        }
        for at in 0..text.len() {
            for other in DIGITS.iter().chain(b"-_ \xff").filter(|other| **other != text[at]) {
                let mut changed = text.to_vec();
                changed[at] = *other;
                assert!(!is_well_formed(&changed), "{at} {other}");
            }
        }
    }
}
