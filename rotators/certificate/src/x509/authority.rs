//! An authority: a key, its certificate, and the chain to its root.
//!
//! Invariants: the key fits the certificate; the certificate may issue; each issuer in the chain is named by the one
//! below it; the last is the self-issued root; no path length is exceeded. An imported authority has its signatures
//! verified too; one read from material was verified when it became material.

use std::{collections::HashSet, fmt};

use chrono::{DateTime, Utc};
use keywheel_contract::{Material, Random};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, GeneralSubtree, IsCa, Issuer, KeyUsagePurpose, NameConstraints,
};
use x509_parser::extensions::{GeneralName, ParsedExtension};

use super::{
    AuthorityRequest, Certificate, CertificateError, KeyError, NameConstraint, PrivateKey, StoredError, SubjectName,
    issue, material,
    validity::{Window, since_1970},
};

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The name of the authority is empty, too long or has control characters.
    #[error("the {0} of the authority must have 1 to 64 characters and no control characters")]
    Name(&'static str),
    /// The lifetime is zero or beyond what can be written.
    #[error("the lifetime is less than a second, or ends after the year 9999")]
    Lifetime,
    /// The authority would outlive its issuer.
    #[error("the authority would end at {asked}, after its issuer, which ends at {issuer}")]
    OutlivesIssuer {
        /// When it would end.
        asked: DateTime<Utc>,
        /// When its issuer ends.
        issuer: DateTime<Utc>,
    },
    /// The issuer is not valid now.
    #[error("the issuer is valid from {from} until {until}, which is not now")]
    IssuerNotValid {
        /// Its first second.
        from: DateTime<Utc>,
        /// Its last second.
        until: DateTime<Utc>,
    },
    /// The path length of the issuer or of a chain leaves no room.
    #[error("the path length of an issuer allows no authority at this depth")]
    PathLength,
    /// The key cannot be made or read.
    #[error("the authority's key is not usable")]
    Key(#[from] KeyError),
    /// A certificate cannot be read.
    #[error("a certificate of the authority is not usable")]
    Certificate(#[from] CertificateError),
    /// None of the certificates holds the key.
    #[error("the private key belongs to none of the {0} certificates")]
    KeyMismatch(usize),
    /// The certificate is not an authority's.
    #[error("`{0}` is no authority: it must not issue certificates")]
    NotAnAuthority(String),
    /// An issuer is missing from what was given.
    #[error("the chain is not complete: the issuer `{0}` is missing")]
    ChainIncomplete(String),
    /// A certificate is not signed by the one that it names.
    #[error("`{0}` is not signed by the issuer that it names")]
    Signature(String),
    /// The subject has a form that the signing library cannot repeat in what it issues.
    #[error("the subject `{0}` has an attribute more than once, which is not supported")]
    SubjectUnsupported(String),
    /// The material lacks a field.
    #[error("the authority's material is not whole")]
    Stored(#[from] StoredError),
    /// The certificate could not be written.
    #[error("the authority's certificate could not be made")]
    Encode(#[source] rcgen::Error),
}

impl AuthorityError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "authority-name-invalid",
            Self::Lifetime => "authority-lifetime-invalid",
            Self::OutlivesIssuer { .. } => "authority-outlives-issuer",
            Self::IssuerNotValid { .. } => "authority-issuer-not-valid",
            Self::PathLength => "authority-path-length",
            Self::Key(error) => error.code(),
            Self::Certificate(error) => error.code(),
            Self::KeyMismatch(_) => "authority-key-mismatch",
            Self::NotAnAuthority(_) => "authority-not-a-ca",
            Self::ChainIncomplete(_) => "authority-chain-incomplete",
            Self::Signature(_) => "authority-signature-invalid",
            Self::SubjectUnsupported(_) => "authority-subject-unsupported",
            Self::Stored(error) => error.code(),
            Self::Encode(_) => "authority-not-made",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Name(_) => "give a name such as `Example Internal CA`",
            Self::Lifetime => "give a lifetime such as `3650d`",
            Self::OutlivesIssuer { .. } => "shorten the lifetime, or renew the issuer first",
            Self::IssuerNotValid { .. } => "renew the issuer, or look at this host's clock",
            Self::PathLength => "issue from an authority nearer to the root, or make the root anew with a longer path",
            Self::Key(error) => error.hint(),
            Self::Certificate(error) => error.hint(),
            Self::KeyMismatch(_) => "give the certificate that belongs to the key",
            Self::NotAnAuthority(_) => "give a certificate with `CA:TRUE` and the usage `keyCertSign`",
            Self::ChainIncomplete(_) => "give all certificates up to the self-signed root",
            Self::Signature(_) => "look for another certificate with the same subject among those given",
            Self::SubjectUnsupported(_) => {
                "let that authority sign an intermediate with a plain subject, and import this"
            }
            Self::Stored(error) => error.hint(),
            Self::Encode(_) => "look at the names and constraints of the request",
        }
    }
}

/// A certificate authority that can issue.
pub struct Authority {
    pub(super) issuer: Issuer<'static, PrivateKey>,
    certificate: Certificate,
    /// From the issuer of the certificate up to below the root.
    above: Vec<Certificate>,
    root: Certificate,
    pub(super) window: Window,
    /// How many authorities may stand below this one.
    room: Option<u32>,
    limits: Vec<Limits>,
}

/// The constraints of one certificate of the chain.
#[derive(Default)]
struct Limits {
    permitted: Vec<NameConstraint>,
    excluded: Vec<NameConstraint>,
}

impl Authority {
    /// Makes a root: its key, and its certificate signed by itself.
    pub fn create_root(
        request: &AuthorityRequest,
        random: &dyn Random,
        now: DateTime<Utc>,
    ) -> Result<Self, AuthorityError> {
        let window = Window::starting(now, request.lifetime).ok_or(AuthorityError::Lifetime)?;
        let key = PrivateKey::generate(request.key)?;
        let params = params_of(request, request.path_length, window, random)?;
        let signed = params.self_signed(&key).map_err(AuthorityError::Encode)?;
        let certificate = Certificate::from_der(signed.der())?;
        Self::assemble(key, certificate.clone(), Vec::new(), certificate)
    }

    /// Makes an authority below this one.
    pub fn create_intermediate(
        &self,
        request: &AuthorityRequest,
        random: &dyn Random,
        now: DateTime<Utc>,
    ) -> Result<Self, AuthorityError> {
        let window = self.window_of_intermediate(request, now)?;
        let most = self.room.map(|room| room.checked_sub(1).ok_or(AuthorityError::PathLength)).transpose()?;
        let path_length = match (request.path_length, most) {
            (Some(asked), Some(most)) if u32::from(asked) > most => return Err(AuthorityError::PathLength),
            (None, Some(most)) => u8::try_from(most).ok(),
            (asked, _) => asked,
        };
        let key = PrivateKey::generate(request.key)?;
        let params = params_of(request, path_length, window, random)?;
        let signed = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Encode)?;
        Self::assemble(key, Certificate::from_der(signed.der())?, self.chain(), self.root.clone())
    }

    fn window_of_intermediate(&self, request: &AuthorityRequest, now: DateTime<Utc>) -> Result<Window, AuthorityError> {
        let Window { from, until } = self.window;
        if now < from || now > until {
            return Err(AuthorityError::IssuerNotValid { from, until });
        }
        let asked = Window::starting(now, request.lifetime).ok_or(AuthorityError::Lifetime)?;
        if asked.until > until {
            return Err(AuthorityError::OutlivesIssuer { asked: asked.until, issuer: until });
        }
        Ok(Window { from: asked.from.max(from), ..asked })
    }

    /// Takes in an authority that was made elsewhere: its key, and its certificate with all issuers up to the root, in
    /// any order. Certificates that do not belong to the chain are left out.
    pub fn import(key_pem: &str, certificates_pem: &str) -> Result<Self, AuthorityError> {
        let key = PrivateKey::from_pem(key_pem)?;
        let given = Certificate::list_pem(certificates_pem)?;
        let certificate = given.iter().find(|certificate| certificate.holds_key(key.public_key()));
        let certificate = certificate.ok_or(AuthorityError::KeyMismatch(given.len()))?.clone();
        let mut chain = chain_of(&certificate, &given)?;
        let root = chain.pop().unwrap_or_else(|| certificate.clone());
        Self::assemble(key, certificate, chain, root)
    }

    /// Reads an authority from a secret's value.
    pub fn from_material(material: &Material) -> Result<Self, AuthorityError> {
        let key = PrivateKey::from_material(material)?;
        let stored = material::read_certificates(material)?;
        if !stored.leaf.holds_key(key.public_key()) {
            return Err(AuthorityError::KeyMismatch(1));
        }
        Self::assemble(key, stored.leaf, stored.chain, stored.root)
    }

    /// The authority as a secret's value.
    pub fn to_material(&self) -> Material {
        material::write(Some(self.key()), &self.certificate, &self.above, &self.root)
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its key.
    pub fn key(&self) -> &PrivateKey {
        self.issuer.key()
    }

    /// The root of its chain; itself, if it is one.
    pub fn root(&self) -> &Certificate {
        &self.root
    }

    /// Whether it is its own root.
    pub fn is_root(&self) -> bool {
        self.certificate == self.root
    }

    /// What those must send who present a certificate of this authority: itself and those above it, without the root.
    pub fn chain(&self) -> Vec<Certificate> {
        if self.is_root() {
            return Vec::new();
        }
        std::iter::once(&self.certificate).chain(&self.above).cloned().collect()
    }

    /// The first constraint in the chain that forbids the name, if one does.
    pub(super) fn forbids(&self, name: &SubjectName) -> Option<String> {
        self.limits.iter().find_map(|limits| {
            if let Some(excluded) = limits.excluded.iter().find(|excluded| excluded.covers(name) == Some(true)) {
                return Some(format!("{excluded} is excluded"));
            }
            let mut answers = limits.permitted.iter().filter_map(|permitted| permitted.covers(name)).peekable();
            let is_forbidden = answers.peek().is_some() && !answers.any(|covers| covers);
            is_forbidden.then(|| "it is outside of what is permitted".to_owned())
        })
    }

    fn assemble(
        key: PrivateKey,
        certificate: Certificate,
        above: Vec<Certificate>,
        root: Certificate,
    ) -> Result<Self, AuthorityError> {
        let is_root = certificate == root;
        let path: Vec<_> = above.iter().chain((!is_root).then_some(&root)).collect();
        let path: Vec<_> = std::iter::once(&certificate).chain(path).collect();
        for pair in path.windows(2) {
            if pair[0].parsed().issuer().as_raw() != pair[1].parsed().subject().as_raw() {
                return Err(AuthorityError::ChainIncomplete(pair[0].facts().issuer.clone()));
            }
        }
        if !root.is_self_issued() {
            return Err(AuthorityError::ChainIncomplete(root.facts().issuer.clone()));
        }
        let room = room_below(&path)?;
        let window = Window::shared_by(path.iter().copied());
        let limits = path.iter().map(|certificate| limits_of(certificate)).collect();
        let issuer = issuer_of(&certificate, key)?;
        Ok(Self { issuer, certificate, above, root, window, room, limits })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("certificate", &self.certificate)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

fn params_of(
    request: &AuthorityRequest,
    path_length: Option<u8>,
    window: Window,
    random: &dyn Random,
) -> Result<CertificateParams, AuthorityError> {
    if !issue::is_attribute(&request.common_name) {
        return Err(AuthorityError::Name("common name"));
    }
    if request.organisation.as_deref().is_some_and(|name| !issue::is_attribute(name)) {
        return Err(AuthorityError::Name("organisation"));
    }
    let mut params = CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(window.from);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(window.until);
    params.serial_number = Some(issue::serial(random));
    params.distinguished_name = issue::distinguished_name(Some(&request.common_name), request.organisation.as_deref());
    params.is_ca = IsCa::Ca(path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.name_constraints =
        (!request.permitted.is_empty() || !request.excluded.is_empty()).then(|| NameConstraints {
            permitted_subtrees: request.permitted.iter().map(subtree).collect(),
            excluded_subtrees: request.excluded.iter().map(subtree).collect(),
        });
    Ok(params)
}

fn subtree(constraint: &NameConstraint) -> GeneralSubtree {
    match constraint {
        NameConstraint::Dns(domain) => GeneralSubtree::DnsName(domain.clone()),
        NameConstraint::Email(host) => GeneralSubtree::Rfc822Name(host.clone()),
        NameConstraint::Ip { address, prefix } => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, *prefix))
        }
    }
}

/// From the issuer of the certificate up to the self-issued root, each verified to have signed the one below it.
fn chain_of(certificate: &Certificate, given: &[Certificate]) -> Result<Vec<Certificate>, AuthorityError> {
    let mut chain: Vec<Certificate> = Vec::new();
    loop {
        let last = chain.last().unwrap_or(certificate);
        let x509 = last.parsed();
        let is_root = last.is_self_issued();
        let mut named =
            given.iter().filter(|issuer| issuer.parsed().subject().as_raw() == x509.issuer().as_raw()).peekable();
        if named.peek().is_none() || chain.len() > given.len() {
            return Err(AuthorityError::ChainIncomplete(last.facts().issuer.clone()));
        }
        let signer = named.find(|issuer| x509.verify_signature(Some(issuer.parsed().public_key())).is_ok());
        let signer = signer.ok_or_else(|| AuthorityError::Signature(last.facts().subject.clone()))?;
        if is_root {
            return Ok(chain);
        }
        chain.push(signer.clone());
    }
}

/// How many authorities may stand below the first of the path, which leads up to the root.
fn room_below(path: &[&Certificate]) -> Result<Option<u32>, AuthorityError> {
    let mut room: Option<u32> = None;
    for (depth, certificate) in path.iter().rev().enumerate() {
        let facts = certificate.facts();
        let may_sign =
            certificate.parsed().key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
        if !facts.is_authority || !may_sign {
            return Err(AuthorityError::NotAnAuthority(facts.subject.clone()));
        }
        if depth > 0 {
            room = room.map(|room| room.checked_sub(1).ok_or(AuthorityError::PathLength)).transpose()?;
        }
        room = match (room, facts.path_length) {
            (Some(room), Some(own)) => Some(room.min(own)),
            (room, own) => room.or(own),
        };
    }
    Ok(room)
}

/// Constraints of kinds that leaves of this library cannot carry are left to the gate.
fn limits_of(certificate: &Certificate) -> Limits {
    let x509 = certificate.parsed();
    let constraints = x509.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::NameConstraints(constraints) => Some(constraints),
        _ => None,
    });
    let list = |subtrees: Option<&Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
        subtrees.into_iter().flatten().filter_map(|subtree| constraint_of(&subtree.base)).collect()
    };
    constraints.map_or_else(Limits::default, |constraints| Limits {
        permitted: list(constraints.permitted_subtrees.as_ref()),
        excluded: list(constraints.excluded_subtrees.as_ref()),
    })
}

fn constraint_of(name: &GeneralName<'_>) -> Option<NameConstraint> {
    match name {
        GeneralName::DNSName(domain) => NameConstraint::parse(domain.trim_start_matches('.')).ok(),
        GeneralName::RFC822Name(host) => NameConstraint::parse(&format!("email:{host}")).ok(),
        GeneralName::IPAddress(octets) => {
            let (address, mask) = octets.split_at_checked(octets.len() / 2)?;
            let address = <[u8; 4]>::try_from(address)
                .map(std::net::IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(address).map(std::net::IpAddr::from))
                .ok()?;
            let prefix = u8::try_from(mask.iter().map(|octet| octet.leading_ones()).sum::<u32>()).ok()?;
            Some(NameConstraint::Ip { address, prefix })
        }
        _ => None,
    }
}

/// What rcgen needs to sign in the certificate's name. Its names hold each attribute one time only.
fn issuer_of(certificate: &Certificate, key: PrivateKey) -> Result<Issuer<'static, PrivateKey>, AuthorityError> {
    let x509 = certificate.parsed();
    let unsupported = || AuthorityError::SubjectUnsupported(certificate.facts().subject.clone());
    let mut seen = HashSet::new();
    if !x509.subject().iter_attributes().all(|attribute| seen.insert(attribute.attr_type().as_bytes())) {
        return Err(unsupported());
    }
    Issuer::from_ca_cert_der(&certificate.der().into(), key).map_err(|_| unsupported())
}
