//! The gate: what every certificate passes before it is installed, whoever made it.
//!
//! The chain is built and its signatures are verified by rustls-webpki, which shares no code with what issues here. The
//! rest is what a chain does not say: that it is the certificate that was wanted.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{BACKDATE, Certificate, Issued, PrivateKey, Profile, SubjectName, validity::span};

/// What is wanted of a certificate.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The names that it must have, and no others.
    pub names: &'a [SubjectName],
    /// What it must be usable for.
    pub profile: Profile,
    /// The key that it must hold.
    pub key: &'a PrivateKey,
    /// What its chain must end in.
    pub anchor: &'a Certificate,
    /// How long it may be valid at most, beside the hour before it was issued.
    pub longest: Option<Duration>,
}

/// Why a certificate must not be installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The certificate holds another key.
    #[error("the certificate does not hold the public half of the private key")]
    KeyMismatch,
    /// Its names are not those that were asked for.
    #[error("the names differ from what was asked for: missing {missing:?}, unasked {unasked:?}")]
    NamesDiffer {
        /// Asked for, and not there.
        missing: Vec<String>,
        /// There, and not asked for.
        unasked: Vec<String>,
    },
    /// It begins later.
    #[error("the certificate is not valid before {0}")]
    NotYetValid(DateTime<Utc>),
    /// It has ended, or ends before it begins.
    #[error("the certificate is not valid after {0}")]
    Expired(DateTime<Utc>),
    /// It lasts longer than was asked for.
    #[error("the certificate is valid for {found} s, and at most {longest} s were asked for")]
    LifetimeTooLong {
        /// Seconds found.
        found: u64,
        /// Seconds asked for.
        longest: u64,
    },
    /// It may not be used for what it is wanted for.
    #[error("the certificate lacks the usage `{0}`")]
    UsageMissing(&'static str),
    /// It is an authority's certificate, and not a leaf.
    #[error("the certificate may issue others: it is no leaf")]
    IsAuthority,
    /// The anchor itself is not valid now.
    #[error("the trust anchor `{0}` is not valid now")]
    AnchorNotValid(String),
    /// The chain does not lead to the anchor.
    #[error("the chain does not verify up to `{anchor}`")]
    ChainUntrusted {
        /// The subject of the anchor.
        anchor: String,
        /// What the verifier says.
        source: webpki::Error,
    },
    /// The serial number is zero, negative, too long or too small to be random.
    #[error("the serial number `{0}` is not positive, or cannot have been drawn from 64 bits or more")]
    SerialWeak(String),
}

impl GateError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::KeyMismatch => "gate-key-mismatch",
            Self::NamesDiffer { .. } => "gate-names-differ",
            Self::NotYetValid(_) => "gate-not-yet-valid",
            Self::Expired(_) => "gate-expired",
            Self::LifetimeTooLong { .. } => "gate-lifetime-too-long",
            Self::UsageMissing(_) => "gate-usage-missing",
            Self::IsAuthority => "gate-is-authority",
            Self::AnchorNotValid(_) => "gate-anchor-not-valid",
            Self::ChainUntrusted { .. } => "gate-chain-untrusted",
            Self::SerialWeak(_) => "gate-serial-weak",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::KeyMismatch => "rotate again: certificate and key are from different versions",
            Self::NamesDiffer { .. } => "compare `names` of the secret with what the issuer's policy allows",
            Self::NotYetValid(_) => "compare the clocks of this host and of the issuer",
            Self::Expired(_) => "rotate again; if it happens again, compare the clocks of this host and of the issuer",
            Self::LifetimeTooLong { .. } => "raise `lifetime`, or ask the issuer for a shorter profile",
            Self::UsageMissing(_) | Self::IsAuthority => "compare `profile` of the secret with the issuer's profile",
            Self::AnchorNotValid(_) => "renew the authority, and spread its new root before anything else",
            Self::ChainUntrusted { .. } => "compare the secret's `ca` with the root of the issuer's chain",
            Self::SerialWeak(_) => "ask the issuer to draw its serial numbers at random",
        }
    }
}

/// Tells whether the certificate is the one wanted, and whether its chain verifies now.
pub fn gate(issued: &Issued, wanted: &Wanted<'_>, now: DateTime<Utc>) -> Result<(), GateError> {
    if !issued.certificate.holds_key(wanted.key.public_key()) {
        return Err(GateError::KeyMismatch);
    }
    check_names(issued, wanted)?;
    check_times(issued, wanted, now)?;
    check_usages(issued, wanted.profile)?;
    check_serial(&issued.certificate)?;
    check_chain(issued, wanted, now)
}

fn check_names(issued: &Issued, wanted: &Wanted<'_>) -> Result<(), GateError> {
    let found: BTreeSet<_> = issued.certificate.facts().names.iter().cloned().collect();
    let asked: BTreeSet<_> = wanted.names.iter().map(ToString::to_string).collect();
    if found == asked {
        return Ok(());
    }
    Err(GateError::NamesDiffer {
        missing: asked.difference(&found).cloned().collect(),
        unasked: found.difference(&asked).cloned().collect(),
    })
}

fn check_times(issued: &Issued, wanted: &Wanted<'_>, now: DateTime<Utc>) -> Result<(), GateError> {
    let facts = issued.certificate.facts();
    if now < facts.not_before {
        return Err(GateError::NotYetValid(facts.not_before));
    }
    if now > facts.not_after {
        return Err(GateError::Expired(facts.not_after));
    }
    let found = span(facts.not_before, facts.not_after);
    match wanted.longest {
        Some(longest) if found > longest.saturating_add(BACKDATE) => {
            Err(GateError::LifetimeTooLong { found: found.as_secs(), longest: longest.as_secs() })
        }
        _ => Ok(()),
    }
}

fn check_usages(issued: &Issued, profile: Profile) -> Result<(), GateError> {
    let facts = issued.certificate.facts();
    if facts.is_authority || facts.usages.iter().any(|usage| usage == "key-cert-sign") {
        return Err(GateError::IsAuthority);
    }
    let needed = [
        (true, "digital-signature"),
        (profile.is_for_servers(), "server-auth"),
        (profile.is_for_clients(), "client-auth"),
    ];
    let missing = needed.iter().find(|(is_needed, name)| *is_needed && !facts.usages.iter().any(|usage| usage == name));
    missing.map_or(Ok(()), |(_, name)| Err(GateError::UsageMissing(name)))
}

/// RFC 5280 asks for a positive number of at most 20 octets, the rules of public authorities for 64 random bits. One
/// number does not show how it was drawn, but of numbers drawn from 63 bits one in 32,768 has no more than 48.
fn check_serial(certificate: &Certificate) -> Result<(), GateError> {
    let x509 = certificate.parsed();
    let octets = x509.raw_serial();
    let is_positive = octets.first().is_some_and(|first| *first < 0x80);
    if is_positive && octets.len() <= 20 && x509.tbs_certificate.serial.bits() > 48 {
        Ok(())
    } else {
        Err(GateError::SerialWeak(certificate.facts().serial.clone()))
    }
}

fn check_chain(issued: &Issued, wanted: &Wanted<'_>, now: DateTime<Utc>) -> Result<(), GateError> {
    let facts = wanted.anchor.facts();
    // The verifier trusts its anchors whatever their dates are.
    if now < facts.not_before || now > facts.not_after {
        return Err(GateError::AnchorNotValid(facts.subject.clone()));
    }
    let untrusted = |source| GateError::ChainUntrusted { anchor: facts.subject.clone(), source };
    let der = CertificateDer::from(wanted.anchor.der());
    let anchors = [anchor_from_trusted_cert(&der).map_err(untrusted)?];
    let leaf = CertificateDer::from(issued.certificate.der());
    let leaf = EndEntityCert::try_from(&leaf).map_err(untrusted)?;
    let chain: Vec<_> = issued.chain.iter().map(|certificate| CertificateDer::from(certificate.der())).collect();
    let time = UnixTime::since_unix_epoch(super::validity::since_1970(now));
    let verify = |usage: KeyUsage| {
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &chain, time, usage, None, None).map(|_| ())
    };
    if wanted.profile.is_for_servers() {
        verify(KeyUsage::server_auth()).map_err(untrusted)?;
    }
    if wanted.profile.is_for_clients() {
        verify(KeyUsage::client_auth()).map_err(untrusted)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::{
        Authority, KeyKind, LeafRequest,
        testing::{World, day, foreign, key, names, now},
    };

    /// Passes what the world issues by default, changed by the closures, through the gate.
    fn passed(
        change: impl Fn(&mut Issued),
        want: impl for<'a> Fn(&mut Wanted<'a>, &'a Authority),
    ) -> Result<(), GateError> {
        let world = World::new(KeyKind::P256);
        let below = world.authority.create_intermediate(&World::request("Below"), &world.random, now()).expect("made");
        let (key, asked) = (key(KeyKind::P256), World::leaf());
        let mut issued = below.issue(&asked, &key, &world.random, now()).expect("issued");
        change(&mut issued);
        let mut wanted = Wanted {
            names: &asked.names,
            profile: Profile::Server,
            key: &key,
            anchor: world.authority.root(),
            longest: Some(asked.lifetime),
        };
        want(&mut wanted, &world.authority);
        gate(&issued, &wanted, now())
    }

    fn refused(change: impl Fn(&mut Issued)) -> &'static str {
        passed(change, |_, _| {}).expect_err("refused").code()
    }

    #[test]
    fn what_was_issued_as_wanted_passes() {
        assert_eq!(passed(|_| {}, |_, _| {}), Ok(()));
    }

    #[test]
    fn all_profiles_and_kinds_of_keys_pass() {
        for (kind, profile) in [
            (KeyKind::P384, Profile::Client),
            (KeyKind::Ed25519, Profile::ServerAndClient),
            (KeyKind::Rsa2048, Profile::Server),
        ] {
            let (world, key) = (World::new(kind), key(kind));
            let asked = LeafRequest { profile, ..World::leaf() };
            let issued = world.authority.issue(&asked, &key, &world.random, now()).expect("issued");
            let wanted =
                Wanted { names: &asked.names, profile, key: &key, anchor: world.authority.root(), longest: None };
            assert_eq!(gate(&issued, &wanted, now()), Ok(()), "{kind}");
        }
    }

    #[test]
    fn other_wishes_do_not_pass() {
        let other = key(KeyKind::P384);
        let stranger = World::new(KeyKind::P256).authority.root().clone();
        let code = |want: &dyn for<'a> Fn(&mut Wanted<'a>)| {
            let (names, other, stranger) = (names("shop.example.org"), &other, &stranger);
            let world = World::new(KeyKind::P256);
            let (key, asked) = (key(KeyKind::P256), World::leaf());
            let issued = world.authority.issue(&asked, &key, &world.random, now()).expect("issued");
            let root = world.authority.root();
            let mut wanted =
                Wanted { names: &asked.names, profile: Profile::Server, key: &key, anchor: root, longest: None };
            want(&mut wanted);
            let mut codes = vec![gate(&issued, &wanted, now()).map_err(|error| error.code())];
            codes.push(gate(&issued, &Wanted { names: &names, ..wanted }, now()).map_err(|error| error.code()));
            codes.push(
                gate(&issued, &Wanted { names: &asked.names, key: other, ..wanted }, now()).map_err(|e| e.code()),
            );
            codes.push(gate(&issued, &Wanted { key: &key, anchor: stranger, ..wanted }, now()).map_err(|e| e.code()));
            codes
        };
        assert_eq!(
            code(&|_| {}),
            [Ok(()), Err("gate-names-differ"), Err("gate-key-mismatch"), Err("gate-chain-untrusted"),]
        );
        assert_eq!(code(&|wanted| wanted.profile = Profile::Client)[0], Err("gate-usage-missing"));
        assert_eq!(code(&|wanted| wanted.longest = Some(day(89)))[0], Err("gate-lifetime-too-long"));
        assert_eq!(code(&|wanted| wanted.longest = Some(day(90)))[0], Ok(()));
    }

    #[test]
    fn times_outside_of_the_certificate_do_not_pass() {
        let (world, key, asked) = (World::new(KeyKind::P256), key(KeyKind::P256), World::leaf());
        let issued = world.authority.issue(&asked, &key, &world.random, now()).expect("issued");
        let root = world.authority.root();
        let wanted = Wanted { names: &asked.names, profile: Profile::Server, key: &key, anchor: root, longest: None };
        let code = |at| gate(&issued, &wanted, at).map_err(|error| error.code());
        assert_eq!(code(now() - BACKDATE * 2), Err("gate-not-yet-valid"));
        assert_eq!(code(now() + day(90)), Err("gate-expired"));
        let mut old = World::new(KeyKind::P256);
        old.authority = Authority::create_root(&World::request("Old"), &old.random, now() - day(2000)).expect("made");
        let wanted = Wanted { anchor: old.authority.root(), ..wanted };
        assert_eq!(gate(&issued, &wanted, now()).map_err(|error| error.code()), Err("gate-anchor-not-valid"));
    }

    #[test]
    fn a_chain_with_a_gap_or_a_forged_leaf_does_not_pass() {
        assert_eq!(refused(|issued| issued.chain.clear()), "gate-chain-untrusted");
        let forged = |issued: &mut Issued| {
            let mut der = issued.certificate.der().to_vec();
            *der.last_mut().expect("a signature") ^= 1;
            issued.certificate = Certificate::from_der(&der).expect("still a certificate");
        };
        assert_eq!(refused(forged), "gate-chain-untrusted");
    }

    #[test]
    fn an_authority_is_no_leaf() {
        let world = World::new(KeyKind::P256);
        let below = world.authority.create_intermediate(&World::request("Below"), &world.random, now()).expect("made");
        let issued = Issued {
            certificate: below.certificate().clone(),
            chain: Vec::new(),
            root: world.authority.root().clone(),
        };
        let wanted = Wanted {
            names: &[],
            profile: Profile::Server,
            key: below.key(),
            anchor: world.authority.root(),
            longest: None,
        };
        assert_eq!(gate(&issued, &wanted, now()).expect_err("refused").code(), "gate-is-authority");
    }

    #[test]
    fn weak_serials_do_not_pass() {
        for (serial, is_strong) in [("1", false), ("0", false), ("0xffffffffffff", false), ("0x3fffffffffffff", true)] {
            let (issued, key) = foreign(serial);
            let names = names("shop.example.org");
            let wanted =
                Wanted { names: &names, profile: Profile::Server, key: &key, anchor: &issued.root, longest: None };
            let at = issued.certificate.facts().not_before + day(1);
            let found = gate(&issued, &wanted, at).map_err(|error| error.code());
            assert_eq!(found, if is_strong { Ok(()) } else { Err("gate-serial-weak") }, "{serial}");
        }
    }
}
