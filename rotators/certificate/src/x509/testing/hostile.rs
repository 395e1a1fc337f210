//! Hostile input: nothing that is read may panic, and nothing may cost much.

use std::time::{Duration, Instant};

use keywheel_contract::{Random, SecretText, kit::SeededRandom};

use super::{World, day, key, names, now};
use crate::x509::{
    Authority, Certificate, CsrRules, KeyKind, OnClamp, PrivateKey, Profile, bundle, der, limits::MAX_BUNDLE_BYTES, pem,
};

struct Dice(SeededRandom);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % bound as u64).expect("it is below the bound")
    }

    /// The bytes with one to four of them changed, cut out, doubled or cut off.
    fn mutated(&self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                return bytes;
            }
            let at = self.below(bytes.len());
            let byte = u8::try_from(self.below(256)).expect("it is a byte");
            match self.below(6) {
                0 => bytes[at] ^= 1 << (byte % 8),
                1 => bytes[at] = byte,
                2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, 0x30][usize::from(byte) % 6],
                3 => drop(bytes.remove(at)),
                4 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}

fn rules() -> CsrRules {
    CsrRules { names: None, profile: Profile::Server, lifetime: day(1), on_clamp: OnClamp::Shorten, crl_url: None }
}

#[test]
fn ten_thousand_mutations_of_good_input_do_not_panic() {
    let (world, key, dice) = (World::new(KeyKind::P256), key(KeyKind::P256), Dice(SeededRandom::new(46)));
    let issued = world.issue(&World::leaf());
    let password = SecretText::new("x".into());
    let csr = key.csr_pem(&names("a.example.org 10.0.0.1"), Some("a.example.org")).expect("a request");
    let sealed = bundle::pkcs12_of(&issued, &key, &password, 1).expect("written");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let mut read = 0;
    for round in 0..10_000 {
        read += usize::from(match round % 5 {
            0 => Certificate::from_der(&dice.mutated(issued.certificate.der())).is_ok(),
            1 => bundle::read_any(&dice.mutated(issued.root.pem().as_bytes()), None).is_ok(),
            2 => bundle::read_any(&dice.mutated(&sealed), Some(&password)).is_ok(),
            3 => PrivateKey::from_pem(&text(dice.mutated(key.to_pem().expose().as_bytes()))).is_ok(),
            _ => {
                let csr = text(dice.mutated(csr.as_bytes()));
                world.authority.sign_csr(&csr, &rules(), &world.random, now()).is_ok()
            }
        });
    }
    // Some mutations leave good input, most do not; a loop that reads nothing would show nothing.
    assert!((100..9_000).contains(&read), "{read}");
}

#[test]
fn mutated_authorities_are_refused_or_sound_and_do_not_panic() {
    let (world, dice) = (World::new(KeyKind::P256), Dice(SeededRandom::new(9)));
    let material = world.authority.to_material();
    let (key, pem) = (material.text("private_key").expect("a key"), world.authority.root());
    for _ in 0..1_000 {
        let mutated = pem::encode("CERTIFICATE", &dice.mutated(pem.der()));
        if let Ok(authority) = Authority::import(key, &mutated) {
            // Nothing that is signed can be changed without notice.
            assert_eq!(authority.certificate().parsed().tbs_certificate, pem.parsed().tbs_certificate);
        }
    }
}

/// A certificate's DER with other bytes in place of its alternative names.
fn with_names(count: usize) -> Vec<u8> {
    let name = [0x82, 1, b'a'];
    let san = der::wrap(0x30, &vec![&name[..]; count]);
    let extension = der::wrap(0x30, &[&[6, 3, 0x55, 0x1d, 0x11], &der::wrap(der::OCTET_STRING, &[&san])]);
    let good = World::new(KeyKind::P256).issue(&World::leaf()).certificate;
    let x509 = good.parsed();
    let (tbs, _) = der::read(x509.tbs_certificate.as_ref()).expect("it was parsed");
    let mut rest = tbs.contents;
    let mut parts: Vec<&[u8]> = Vec::new();
    while let Some((item, after)) = der::read(rest) {
        if item.tag != 0xa3 {
            parts.push(&rest[..rest.len() - after.len()]);
        }
        rest = after;
    }
    let extensions = der::wrap(0xa3, &[&der::wrap(0x30, &[&extension])]);
    parts.push(&extensions);
    der::wrap(0x30, &[&der::wrap(0x30, &parts), &[0x30, 3, 6, 1, 0x2a], &[3, 2, 0, 0]]).to_vec()
}

fn nested(levels: usize) -> Vec<u8> {
    // Lengths of five bytes throughout: only the time to refuse it counts.
    let mut bytes = Vec::new();
    for level in 0..levels {
        let length = u32::try_from((levels - level - 1) * 6).expect("it is small").to_be_bytes();
        bytes.extend([0x30, 0x84]);
        bytes.extend(length);
    }
    bytes
}

#[test]
fn a_mebibyte_of_hostile_input_is_answered_at_once() {
    let fill = |unit: &[u8]| unit.iter().copied().cycle().take(MAX_BUNDLE_BYTES).collect::<Vec<_>>();
    let good = World::new(KeyKind::P256).issue(&World::leaf()).certificate.pem();
    let many = with_names(900);
    assert!(Certificate::from_der(&many).is_ok(), "what should be costly must be read");
    let oid = der::wrap(0x30, &[&der::wrap(0x30, &[&der::wrap(6, &[&vec![0xff; 60_000]])])]);
    let inputs = [
        ("newlines", fill(b"\n")),
        ("begins", fill(b"-----BEGIN CERTIFICATE-----\n")),
        ("begins without lines", fill(b"-----BEGIN CERTIFICATE-----")),
        ("empty blocks", fill(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")),
        ("blocks of others", fill(b"-----BEGIN A-----\n-----END A-----\n")),
        (
            "spaces in a block",
            [b"-----BEGIN CERTIFICATE-----\n", &fill(b" \n")[..900_000], b"-----END CERTIFICATE-----\n"].concat(),
        ),
        ("dashes", fill(b"-")),
        ("256 good certificates", good.repeat(256).into_bytes()),
        ("more good certificates", fill(good.as_bytes())),
        ("certificates of many names", fill(pem::encode("CERTIFICATE", &many).as_bytes())),
        ("too many names", fill(pem::encode("CERTIFICATE", &with_names(20_000)).as_bytes())),
        ("nested values", fill(pem::encode("CERTIFICATE", &nested(10_000)).as_bytes())),
        ("nested DER", nested(170_000)),
        ("a long identifier", fill(pem::encode("CERTIFICATE", &oid).as_bytes())),
        ("DER of zeros", [&[0x30, 0x83, 0x0f, 0xff, 0xf0][..], &vec![0; 0x000f_fff0]].concat()),
        ("PKCS#12 of zeros", [&[0x30, 0x83, 0x0f, 0xff, 0xf0, 2, 1, 3][..], &vec![0; 0x000f_ffed]].concat()),
    ];
    let password = SecretText::new("x".into());
    for (what, input) in inputs {
        let begin = Instant::now();
        let is_read = bundle::read_any(&input, Some(&password)).is_ok();
        let took = begin.elapsed();
        let text = String::from_utf8_lossy(&input);
        let _ = (Certificate::list_pem(&text).is_ok(), PrivateKey::from_pem(&text).is_ok());
        eprintln_of(what, is_read, took);
        assert!(took < Duration::from_millis(250), "{what}: {took:?}");
    }
}

/// The times are the point of the test: `cargo test -- --nocapture` shows them.
#[expect(clippy::print_stderr, reason = "a test tells what it measured")]
fn eprintln_of(what: &str, is_read: bool, took: Duration) {
    eprintln!("{what}: {} in {took:?}", if is_read { "read" } else { "refused" });
}
