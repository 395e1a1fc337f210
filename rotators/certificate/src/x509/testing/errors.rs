//! Every error that a person can see has a code of its own, a sentence and a hint.

use std::collections::HashSet;

use super::now;
use crate::x509::{
    AuthorityError, CertificateError, CrlError, CsrError, GateError, IssueError, KeyError, KeyKind, NameError,
    StoredError, bundle::BundleError,
};

/// Code, hint and sentence of each of the errors.
macro_rules! told {
    ($($error:expr),+ $(,)?) => { [$({ let error = $error; (error.code(), error.hint(), error.to_string()) }),+] };
}

fn why() -> rcgen::Error {
    rcgen::Error::Time
}

fn of_keys_and_names() -> Vec<(&'static str, &'static str, String)> {
    let name = || "x".to_owned();
    let names = told![
        NameError::Empty,
        NameError::TooLong { most: 1, found: 2 },
        NameError::NotAscii(name()),
        NameError::Host { name: name(), why: "y" },
        NameError::Wildcard(name()),
        NameError::Email(name()),
        NameError::Uri(name()),
        NameError::Network(name()),
    ];
    let keys = told![
        KeyError::Generate { kind: KeyKind::P256 },
        KeyError::NotPem,
        KeyError::Encrypted,
        KeyError::TooLarge { most: 1 },
        KeyError::Unsupported,
        KeyError::Missing,
        KeyError::Request(why()),
    ];
    let stored =
        told![StoredError::Missing("x"), StoredError::Unreadable { field: "x", source: CertificateError::Shape },];
    names.into_iter().chain(keys).chain(stored).collect()
}

fn of_reading() -> Vec<(&'static str, &'static str, String)> {
    let certificates = told![
        CertificateError::TooLarge { most: 1, found: 2 },
        CertificateError::TooMany,
        CertificateError::NoCertificate,
        CertificateError::Pem("x".into()),
        CertificateError::Shape,
        CertificateError::NotACertificate,
        CertificateError::Extensions("x".into()),
        CertificateError::TooManyNames,
        CertificateError::Field("x"),
    ];
    let bundles = told![BundleError::NoPassword, BundleError::Pkcs12, BundleError::TooCostly, BundleError::Write];
    let gate = told![
        GateError::KeyMismatch,
        GateError::NamesDiffer { missing: Vec::new(), unasked: Vec::new() },
        GateError::NotYetValid(now()),
        GateError::Expired(now()),
        GateError::LifetimeTooLong { found: 2, longest: 1 },
        GateError::UsageMissing("x"),
        GateError::IsAuthority,
        GateError::AnchorNotValid("x".into()),
        GateError::ChainUntrusted { anchor: "x".into(), source: webpki::Error::UnknownIssuer },
        GateError::SerialWeak("1".into()),
    ];
    certificates.into_iter().chain(bundles).chain(gate).collect()
}

fn of_authorities() -> Vec<(&'static str, &'static str, String)> {
    let (from, until, name) = (now(), now(), || "x".to_owned());
    let authorities = told![
        AuthorityError::Name("x"),
        AuthorityError::Lifetime,
        AuthorityError::OutlivesIssuer { asked: from, issuer: until },
        AuthorityError::IssuerNotValid { from, until },
        AuthorityError::PathLength,
        AuthorityError::SameSubject(name()),
        AuthorityError::KeyMismatch(1),
        AuthorityError::NotAnAuthority(name()),
        AuthorityError::ChainIncomplete(name()),
        AuthorityError::Signature(name()),
        AuthorityError::SubjectUnsupported(name()),
        AuthorityError::Encode(why()),
    ];
    let issuing = told![
        IssueError::NoNames,
        IssueError::TooManyNames,
        IssueError::Subject("x"),
        IssueError::Lifetime,
        IssueError::AuthorityNotValid { from, until },
        IssueError::OutlivesAuthority { asked: from, authority: until },
        IssueError::NameForbidden { name: name(), why: name() },
        IssueError::CrlUrl(NameError::Empty),
        IssueError::Encode(why()),
        IssueError::Unreadable(CertificateError::Shape),
    ];
    let requests = told![
        CsrError::NotPem,
        CsrError::Unreadable,
        CsrError::Signature,
        CsrError::Key,
        CsrError::AsksForMore(name()),
        CsrError::Name(name()),
        CsrError::NamesDiffer { asked: Vec::new(), allowed: Vec::new() },
        CsrError::CommonName(name()),
    ];
    let lists = told![
        CrlError::Serial(name()),
        CrlError::Twice(name()),
        CrlError::NextUpdate { next: from, now: until },
        CrlError::Encode(why()),
    ];
    authorities.into_iter().chain(issuing).chain(requests).chain(lists).collect()
}

#[test]
fn every_error_has_a_code_of_its_own_a_sentence_and_a_hint() {
    let mut codes = HashSet::new();
    for (code, hint, sentence) in [of_keys_and_names(), of_reading(), of_authorities()].into_iter().flatten() {
        let is_kebab =
            code.split('-').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()));
        assert!(is_kebab && codes.insert(code), "{code}");
        assert!(hint.len() > 10 && !hint.ends_with('.'), "{code}: {hint}");
        assert!(!sentence.starts_with(char::is_uppercase) && !sentence.ends_with('.'), "{code}: {sentence}");
    }
}
