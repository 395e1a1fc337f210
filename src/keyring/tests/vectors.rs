//! Proof 56: the vectors of the Fernet specification (<https://github.com/fernet/spec>), as the cipher here runs.
//!
//! The specification has no way to pass an IV, and neither has the cipher: the vector that generates is checked by
//! taking the token apart and by opening it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

use crate::keyring::derive::RawKey;
use crate::keyring::token::cipher;

/// Bytes 16 to 31 encrypt, bytes 0 to 15 sign.
const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
/// 1985-10-26T01:20:00-07:00, in seconds since 1970.
const BORN: u64 = 499_162_800;
const VALID: &str =
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

/// What is wrong, the token, and seconds from birth to now.
const INVALID: [(&str, &str, u64); 8] = [
    (
        "incorrect mac",
        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykQUFBQUFBQUFBQQ==",
        1,
    ),
    ("too short", "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPA==", 1),
    (
        "invalid base64",
        "%%%%%%%%%%%%%AECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
        1,
    ),
    (
        "payload size not multiple of block size",
        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPOm73QeoCk9uGib28Xe5vz6oxq5nmxbx_v7mrfyudzUm",
        1,
    ),
    (
        "payload padding error",
        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0ODz4LEpdELGQAad7aNEHbf-JkLPIpuiYRLQ3RtXatOYREu2FWke6CnJNYIbkuKNqOhw==",
        1,
    ),
    (
        "far-future time",
        "gAAAAAAdwStRAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAnja1xKYyhd-Y6mSkTOyTGJmw2Xc2a6kBd-iX9b_qXQcw==",
        1,
    ),
    (
        "expired",
        "gAAAAAAdwJ6xAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAl1-szkFVzXTuGb4hR8AKtwcaX1YdykRtfsH-p1YsUD2Q==",
        91,
    ),
    (
        "incorrect IV",
        "gAAAAAAdwJ6xBQECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkLhFLHpGtDBRLRTZeUfWgHSv49TF2AUEZ1TIvcZjK1zQ==",
        1,
    ),
];

fn fernet() -> fernet::Fernet {
    cipher(&RawKey::copied(&URL_SAFE.decode(KEY).expect("base64")).expect("32 bytes"))
}

#[test]
fn the_vector_that_verifies_opens() {
    assert_eq!(fernet().decrypt_at_time(VALID, Some(60), BORN + 1).as_deref(), Ok(&b"hello"[..]));
}

#[test]
fn the_vector_that_generates_has_the_layout_of_a_token_made_here() {
    let [given, made] = [VALID.to_owned(), fernet().encrypt_at_time(b"hello", BORN)]
        .map(|token| URL_SAFE.decode(token).expect("base64"));
    assert_eq!(given[9..25], std::array::from_fn::<u8, 16, _>(|i| u8::try_from(i).expect("small")));
    assert_eq!((&given[..9], given.len()), (&made[..9], made.len()));
    assert_ne!(given[9..25], made[9..25]);
}

#[test]
fn the_vectors_that_are_invalid_are_refused() {
    for (what, token, seconds) in INVALID {
        assert!(fernet().decrypt_at_time(token, Some(60), BORN + seconds).is_err(), "{what}");
    }
}

#[test]
fn the_vectors_about_time_open_where_no_time_is_asked_for() {
    let opened = fernet().decrypt_at_time(INVALID[6].1, None, BORN + 91);
    assert_eq!(opened.as_deref(), Ok(&b""[..]), "expired, but at rest");
    assert!(fernet().decrypt_at_time(INVALID[5].1, None, u64::from(u32::MAX)).is_ok(), "far future, but past now");
}
