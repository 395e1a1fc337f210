//! Issuing a leaf: the parameters are filled in, bounded by the authority's own validity, and signed.

use chrono::{DateTime, Utc};
use keywheel_contract::{Material, Random};
use rcgen::{
    CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber, string::Ia5String,
};

use super::{
    Authority, Certificate, CertificateError, LeafRequest, NameError, OnClamp, PrivateKey, Profile, StoredError,
    SubjectName,
    limits::MAX_NAMES,
    material, name,
    validity::{Window, since_1970},
};

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Neither a name nor a common name is asked for, or none for a server.
    #[error("the certificate would speak for nobody")]
    NoNames,
    /// More names than the bound.
    #[error("more than {MAX_NAMES} names are asked for")]
    TooManyNames,
    /// A common name or organisation is empty, too long or has control characters.
    #[error("the {0} must have 1 to 64 characters and no control characters")]
    Subject(&'static str),
    /// The lifetime is zero or beyond what can be written.
    #[error("the lifetime is less than a second, or ends after the year 9999")]
    Lifetime,
    /// The authority or one above it is not valid now.
    #[error("the authority is valid from {from} until {until}, which is not now")]
    AuthorityNotValid {
        /// Its first second.
        from: DateTime<Utc>,
        /// Its last second.
        until: DateTime<Utc>,
    },
    /// The certificate would outlive the authority or one above it.
    #[error("the certificate would end at {asked}, after its authority, which ends at {authority}")]
    OutlivesAuthority {
        /// When it would end.
        asked: DateTime<Utc>,
        /// When the authority ends.
        authority: DateTime<Utc>,
    },
    /// The authority is constrained to other names.
    #[error("the authority must not speak for `{name}`: {why}")]
    NameForbidden {
        /// The name.
        name: String,
        /// The constraint.
        why: String,
    },
    /// The address of the revocation list is no URI.
    #[error("the address of the revocation list is not usable")]
    CrlUrl(#[source] NameError),
    /// The certificate could not be written.
    #[error("the certificate could not be made")]
    Encode(#[source] rcgen::Error),
    /// What was written cannot be read.
    #[error("the certificate that was made cannot be read")]
    Unreadable(#[from] CertificateError),
}

impl IssueError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoNames => "issue-no-names",
            Self::TooManyNames => "issue-too-many-names",
            Self::Subject(_) => "issue-subject-invalid",
            Self::Lifetime => "issue-lifetime-invalid",
            Self::AuthorityNotValid { .. } => "issue-authority-not-valid",
            Self::OutlivesAuthority { .. } => "issue-outlives-authority",
            Self::NameForbidden { .. } => "issue-name-forbidden",
            Self::CrlUrl(_) => "issue-crl-url-invalid",
            Self::Encode(_) => "issue-not-made",
            Self::Unreadable(_) => "issue-unreadable",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoNames => "give `names`, such as [\"shop.example.org\"]",
            Self::TooManyNames => "split the names over several certificates",
            Self::Subject(_) => "shorten it; the names that count stand in `names`",
            Self::Lifetime => "give a lifetime such as `90d`",
            Self::AuthorityNotValid { .. } => "renew the authority, or look at this host's clock",
            Self::OutlivesAuthority { .. } => {
                "renew the authority, shorten `lifetime`, or set `on_clamp` to \"shorten\""
            }
            Self::NameForbidden { .. } => "take the name out, or issue from an authority that may speak for it",
            Self::CrlUrl(_) => "give an address such as `http://ca.example.org/ca.crl`",
            Self::Encode(_) | Self::Unreadable(_) => "look at the names of the request",
        }
    }
}

/// A leaf certificate with what makes it verifiable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The leaf.
    pub certificate: Certificate,
    /// The authorities between it and the root, nearest first, without the root.
    pub chain: Vec<Certificate>,
    /// The trust anchor.
    pub root: Certificate,
}

impl Issued {
    /// The value of the secret, with the key if it is here.
    pub fn to_material(&self, key: Option<&PrivateKey>) -> Material {
        material::write(key, &self.certificate, &self.chain, &self.root)
    }

    /// Reads the value of a secret.
    pub fn from_material(material: &Material) -> Result<Self, StoredError> {
        let stored = material::read_certificates(material)?;
        Ok(Self { certificate: stored.leaf, chain: stored.chain, root: stored.root })
    }
}

impl Authority {
    /// Issues a leaf for the key.
    pub fn issue(
        &self,
        request: &LeafRequest,
        key: &PrivateKey,
        random: &dyn Random,
        now: DateTime<Utc>,
    ) -> Result<Issued, IssueError> {
        self.sign_leaf(request, key, random, now)
    }

    pub(super) fn sign_leaf(
        &self,
        request: &LeafRequest,
        public_key: &impl PublicKeyData,
        random: &dyn Random,
        now: DateTime<Utc>,
    ) -> Result<Issued, IssueError> {
        self.check(request)?;
        let window = self.window_of(request, now)?;
        let params = params_of(request, window, public_key, random)?;
        let signed = params.signed_by(public_key, &self.issuer).map_err(IssueError::Encode)?;
        let certificate = Certificate::from_der(signed.der())?;
        Ok(Issued { certificate, chain: self.chain(), root: self.root().clone() })
    }

    fn check(&self, request: &LeafRequest) -> Result<(), IssueError> {
        let speaks_by_subject = request.profile == Profile::Client && request.common_name.is_some();
        if request.names.is_empty() && !speaks_by_subject {
            return Err(IssueError::NoNames);
        }
        if request.names.len() > MAX_NAMES {
            return Err(IssueError::TooManyNames);
        }
        for (attribute, text) in [("common name", &request.common_name), ("organisation", &request.organisation)] {
            if text.as_deref().is_some_and(|text| !is_attribute(text)) {
                return Err(IssueError::Subject(attribute));
            }
        }
        for name in &request.names {
            if let Some(why) = self.forbids(name) {
                return Err(IssueError::NameForbidden { name: name.to_string(), why });
            }
        }
        Ok(())
    }

    fn window_of(&self, request: &LeafRequest, now: DateTime<Utc>) -> Result<Window, IssueError> {
        let Window { from, until } = self.window;
        if now < from || now > until {
            return Err(IssueError::AuthorityNotValid { from, until });
        }
        let asked = Window::starting(now, request.lifetime).ok_or(IssueError::Lifetime)?;
        if asked.until > until && request.on_clamp == OnClamp::Refuse {
            return Err(IssueError::OutlivesAuthority { asked: asked.until, authority: until });
        }
        Ok(Window { from: asked.from.max(from), until: asked.until.min(until) })
    }
}

fn params_of(
    request: &LeafRequest,
    window: Window,
    public_key: &impl PublicKeyData,
    random: &dyn Random,
) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(window.from);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(window.until);
    params.serial_number = Some(serial(random));
    params.distinguished_name = distinguished_name(request.common_name.as_deref(), request.organisation.as_deref());
    params.subject_alt_names = alternative_names(&request.names).map_err(IssueError::Encode)?;
    // Said outright, the constraint brings the identifier of the key with it.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages.push(KeyUsagePurpose::DigitalSignature);
    if request.profile.is_for_servers() {
        if is_rsa(public_key) {
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if request.profile.is_for_clients() {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    params.use_authority_key_identifier_extension = true;
    if let Some(url) = &request.crl_url {
        let uris = vec![name::uri(url).map_err(IssueError::CrlUrl)?];
        params.crl_distribution_points.push(CrlDistributionPoint { uris });
    }
    Ok(params)
}

fn is_rsa(public_key: &impl PublicKeyData) -> bool {
    [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_RSA_SHA384, &rcgen::PKCS_RSA_SHA512].contains(&public_key.algorithm())
}

/// A serial of 16 random octets. The first is never zero, so that all serials are positive and equally long.
pub(super) fn serial(random: &dyn Random) -> SerialNumber {
    let mut octets = [0; 16];
    random.fill(&mut octets);
    octets[0] = octets[0].max(1);
    SerialNumber::from_slice(&octets)
}

/// Whether a text can stand in a subject: RFC 5280 bounds both attributes that are used here to 64 characters.
pub(super) fn is_attribute(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= 64 && !text.contains(char::is_control)
}

pub(super) fn distinguished_name(common_name: Option<&str>, organisation: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organisation) = organisation {
        name.push(DnType::OrganizationName, organisation);
    }
    if let Some(common_name) = common_name {
        name.push(DnType::CommonName, common_name);
    }
    name
}

pub(super) fn alternative_names(names: &[SubjectName]) -> Result<Vec<SanType>, rcgen::Error> {
    let ascii = |text: &String| Ia5String::try_from(text.as_str());
    let written = names.iter().map(|name| match name {
        SubjectName::Dns(name) => ascii(name).map(SanType::DnsName),
        SubjectName::Ip(address) => Ok(SanType::IpAddress(*address)),
        SubjectName::Email(address) => ascii(address).map(SanType::Rfc822Name),
        SubjectName::Uri(uri) => ascii(uri).map(SanType::URI),
    });
    written.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keywheel_contract::Random;
    use proptest::prelude::*;

    use super::*;
    use crate::x509::{
        AuthorityRequest, BACKDATE, KeyKind, NameConstraint,
        testing::{NOW, World, day, key, names, now, openssl, verified_by_openssl},
    };

    #[test]
    fn openssl_verifies_leaves_of_all_kinds_below_two_intermediates() {
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519, KeyKind::Rsa2048] {
            let world = World::new(kind);
            let below =
                world.authority.create_intermediate(&World::request("Below"), &world.random, now()).expect("made");
            let lowest = below.create_intermediate(&World::request("Lowest"), &world.random, now()).expect("made");
            let key = key(kind);
            let issued = lowest.issue(&World::leaf(), &key, &world.random, now()).expect("issued");
            verified_by_openssl(&issued, &["-purpose", "sslserver", "-x509_strict"]);
        }
    }

    #[test]
    fn openssl_shows_what_was_asked_for() {
        let world = World::new(KeyKind::P256);
        let asked = LeafRequest { crl_url: Some("http://ca.example.org/ca.crl".into()), ..World::leaf() };
        let text = openssl(&["x509", "-noout", "-text"], world.issue(&asked).certificate.pem().as_bytes());
        for part in [
            "Issuer: O = Example, CN = Test CA",
            "Subject: O = Shop, CN = shop",
            "Version: 3 (0x2)",
            "DNS:shop.example.org, IP Address:10.0.0.1",
            "Subject Key Identifier",
            "Authority Key Identifier",
            "X509v3 Key Usage: critical\n                Digital Signature\n",
            "TLS Web Server Authentication",
            "X509v3 Basic Constraints: critical\n                CA:FALSE",
            "URI:http://ca.example.org/ca.crl",
            "Not Before: Jun 30 23:00:00 2026 GMT",
            "Not After : Sep 29 00:00:00 2026 GMT",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn profiles_give_their_usages_and_no_others() {
        let world = World::new(KeyKind::P256);
        for (profile, usages) in [
            (Profile::Server, &["digital-signature", "server-auth"][..]),
            (Profile::Client, &["digital-signature", "client-auth"]),
            (Profile::ServerAndClient, &["digital-signature", "server-auth", "client-auth"]),
        ] {
            let issued = world.issue(&LeafRequest { profile, ..World::leaf() });
            assert_eq!(issued.certificate.facts().usages, usages);
        }
    }

    #[test]
    fn a_leaf_outliving_its_authority_is_refused_or_shortened() {
        let world = World::new(KeyKind::P256);
        let long = LeafRequest { lifetime: day(4000), ..World::leaf() };
        let error = world.try_issue(&long).expect_err("refused");
        assert_eq!(error.code(), "issue-outlives-authority");
        let issued = world.issue(&LeafRequest { on_clamp: OnClamp::Shorten, ..long });
        assert_eq!(issued.certificate.facts().not_after, world.authority.certificate().facts().not_after);
    }

    #[test]
    fn what_may_not_be_issued_is_refused_with_its_code() {
        let world = World::new(KeyKind::P256);
        let leaf = World::leaf;
        for (request, code) in [
            (LeafRequest { names: Vec::new(), ..leaf() }, "issue-no-names"),
            (LeafRequest { names: vec![names("a.example")[0].clone(); 1001], ..leaf() }, "issue-too-many-names"),
            (LeafRequest { common_name: Some("x".repeat(65)), ..leaf() }, "issue-subject-invalid"),
            (LeafRequest { organisation: Some("a\nb".into()), ..leaf() }, "issue-subject-invalid"),
            (LeafRequest { lifetime: Duration::ZERO, ..leaf() }, "issue-lifetime-invalid"),
            (LeafRequest { lifetime: Duration::MAX, ..leaf() }, "issue-lifetime-invalid"),
            (LeafRequest { crl_url: Some("no".into()), ..leaf() }, "issue-crl-url-invalid"),
        ] {
            assert_eq!(world.try_issue(&request).expect_err("refused").code(), code);
        }
    }

    #[test]
    fn an_authority_that_is_not_valid_now_issues_nothing() {
        let world = World::new(KeyKind::P256);
        let key = key(KeyKind::P256);
        for at in [now() - BACKDATE * 2, now() + day(3651)] {
            let error = world.authority.issue(&World::leaf(), &key, &world.random, at).expect_err("refused");
            assert_eq!(error.code(), "issue-authority-not-valid");
        }
    }

    #[test]
    fn a_leaf_does_not_begin_before_its_authority() {
        let world = World::new(KeyKind::P256);
        let below = world.authority.create_intermediate(&World::request("Below"), &world.random, now()).expect("made");
        let key = key(KeyKind::P256);
        let issued = below.issue(&World::leaf(), &key, &world.random, now() - BACKDATE / 2).expect("issued");
        assert_eq!(issued.certificate.facts().not_before, below.certificate().facts().not_before);
    }

    #[test]
    fn name_constraints_bind_the_authority_and_openssl_agrees() {
        let world = World::new(KeyKind::P256);
        let list = |texts: &[&str]| texts.iter().map(|text| NameConstraint::parse(text).expect(text)).collect();
        let request = AuthorityRequest {
            permitted: list(&["example.org", "10.0.0.0/8"]),
            excluded: list(&["secret.example.org"]),
            ..World::request("Constrained")
        };
        let below = world.authority.create_intermediate(&request, &world.random, now()).expect("made");
        let key = key(KeyKind::P256);
        let issue =
            |texts| below.issue(&LeafRequest { names: names(texts), ..World::leaf() }, &key, &world.random, now());
        verified_by_openssl(&issue("a.example.org 10.1.2.3 email:a@b.org").expect("issued"), &[]);
        for forbidden in ["a.example.com", "x.secret.example.org", "192.168.0.1"] {
            assert_eq!(issue(forbidden).expect_err("refused").code(), "issue-name-forbidden", "{forbidden}");
        }
    }

    #[test]
    fn serials_are_sixteen_octets_positive_and_different() {
        struct Zeros;
        impl Random for Zeros {
            fn fill(&self, buffer: &mut [u8]) {
                buffer.fill(0);
            }
        }
        assert_eq!(serial(&Zeros).to_bytes(), [&[1][..], &[0; 15]].concat());
        let world = World::new(KeyKind::P256);
        let drawn: std::collections::HashSet<_> =
            (0..200).map(|_| world.issue(&World::leaf()).certificate.facts().serial.clone()).collect();
        assert!(drawn.len() == 200 && drawn.iter().all(|serial| serial.len() == 32));
    }

    #[test]
    fn material_is_read_back_to_the_same() {
        let world = World::new(KeyKind::Ed25519);
        let key = key(KeyKind::P256);
        let issued = world.authority.issue(&World::leaf(), &key, &world.random, now()).expect("issued");
        let material = issued.to_material(Some(&key));
        assert_eq!(Issued::from_material(&material).expect("read"), issued);
        assert_eq!(PrivateKey::from_material(&material).expect("read").public_key(), key.public_key());
        assert_eq!(material.text("serial"), Some(issued.certificate.facts().serial.as_str()));
        assert_eq!(material.text("not_after"), Some("2026-09-29T00:00:00Z"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_leaf_lies_within_its_authority_whatever_is_asked(lifetime in 1..400_000_000_u64, at in 0..315_000_000_i64) {
            let world = World::new(KeyKind::P256);
            let request = LeafRequest { lifetime: Duration::from_secs(lifetime), on_clamp: OnClamp::Shorten, ..World::leaf() };
            let key = key(KeyKind::P256);
            let at = DateTime::from_timestamp(NOW + at, 999_999_999).expect("a time");
            let issued = world.authority.issue(&request, &key, &world.random, at).expect("issued");
            let (leaf, above) = (issued.certificate.facts(), world.authority.certificate().facts());
            prop_assert!(above.not_before <= leaf.not_before && leaf.not_after <= above.not_after);
            prop_assert!(leaf.not_before <= at && at <= leaf.not_after + BACKDATE);
        }
    }
}
