//! What things cost, beside what the bare libraries cost. Run with
//! `cargo test --release -p keywheel-certificate --lib -- --ignored --nocapture what_things_cost`.

use std::time::{Duration, Instant};

use super::{World, day, key, now};
use crate::x509::{Certificate, KeyKind, PrivateKey, Reason, Revoked, Wanted, bundle, gate};

fn per_second(what: &str, mut operation: impl FnMut()) -> f64 {
    let mut rates: Vec<f64> = (0..5)
        .map(|_| {
            let (begin, mut count) = (Instant::now(), 0_u32);
            while begin.elapsed() < Duration::from_millis(300) {
                operation();
                count += 1;
            }
            f64::from(count) / begin.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    tell(what, rates[2]);
    rates[2]
}

#[expect(clippy::print_stderr, reason = "the figures are what it is run for")]
fn tell(what: &str, rate: f64) {
    eprintln!("{what}: {rate:.0} /s");
}

#[test]
#[ignore = "figures for a release build alone"]
fn what_things_cost() {
    let world = World::new(KeyKind::P256);
    let leaf = World::leaf();
    let bare = {
        let key = rcgen::KeyPair::from_pem(world.authority.key().to_pem().expose()).expect("a key");
        let issuer = rcgen::Issuer::from_ca_cert_pem(&world.authority.root().pem(), key).expect("an issuer");
        per_second("bare rcgen: key, sign, both PEMs", || {
            let key = rcgen::KeyPair::generate().expect("a key");
            let mut params = rcgen::CertificateParams::new(vec!["shop.example.org".to_owned()]).expect("names");
            params.is_ca = rcgen::IsCa::ExplicitNoCa;
            params.use_authority_key_identifier_extension = true;
            let signed = params.signed_by(&key, &issuer).expect("signed");
            std::hint::black_box((key.serialize_pem(), signed.pem()));
        })
    };
    let own = per_second("key, sign, both PEMs", || {
        let key = PrivateKey::generate(KeyKind::P256).expect("a key");
        let issued = world.authority.issue(&leaf, &key, &world.random, now()).expect("issued");
        std::hint::black_box((key.to_pem(), issued.certificate.pem()));
    });
    per_second("key, sign, material", || {
        let key = PrivateKey::generate(KeyKind::P256).expect("a key");
        std::hint::black_box(
            world.authority.issue(&leaf, &key, &world.random, now()).expect("issued").to_material(Some(&key)),
        );
    });
    let key = key(KeyKind::P256);
    let issued = world.authority.issue(&leaf, &key, &world.random, now()).expect("issued");
    per_second("facts from DER", || drop(Certificate::from_der(issued.certificate.der())));
    let pem = issued.certificate.pem();
    per_second("facts from PEM", || drop(Certificate::from_pem(&pem)));
    let root = world.authority.root();
    let wanted = Wanted { names: &leaf.names, profile: leaf.profile, key: &key, anchor: root, longest: None };
    per_second("gate", || gate(&issued, &wanted, now()).expect("passes"));
    let material = world.authority.to_material();
    per_second("authority from material", || drop(crate::x509::Authority::from_material(&material)));
    let revoked: Vec<_> =
        (1..=10_000).map(|n| Revoked { serial: format!("{n:x}"), at: now(), reason: Reason::Superseded }).collect();
    per_second("CRL of 10,000", || drop(world.authority.sign_crl(1, &revoked, now(), now() + day(1))));
    let password = keywheel_contract::SecretText::new("x".into());
    per_second("PKCS#12", || drop(bundle::pkcs12(&issued, &key, &password)));
    assert!(own > bare * 0.8, "{own} of {bare}");
}
