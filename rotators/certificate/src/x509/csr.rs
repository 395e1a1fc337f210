//! Signing what others request (PKCS#10, RFC 2986): the key is theirs, everything else is decided here.
//!
//! A request is a wish. Its signature shows that who wrote it has the key. Its names must be allowed, an extension that
//! asks for more than the profile gives is refused, and of its subject only the common name is ever taken over.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use keywheel_contract::Random;
use rcgen::SubjectPublicKeyInfo;
use x509_parser::{
    certification_request::X509CertificationRequest,
    cri_attributes::ParsedCriAttribute,
    extensions::{ParsedExtension, X509Extension},
    prelude::FromDer,
};

use super::{
    Authority, IssueError, Issued, LeafRequest, OnClamp, Profile, SubjectName, der, facts, key_formats,
    limits::{MAX_EXTENSIONS, MAX_KEY_BYTES, MAX_NAMES},
    pem,
};

/// What a request may get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsrRules {
    /// The names that it must ask for, all of them and no others; `None`: whatever it asks for.
    pub names: Option<Vec<SubjectName>>,
    /// What the certificate is for, whatever the request says.
    pub profile: Profile,
    /// How long it is valid.
    pub lifetime: Duration,
    /// What happens when it would outlive the authority.
    pub on_clamp: OnClamp,
    /// Where the authority's revocation list is.
    pub crl_url: Option<String>,
}

/// Why a request is not signed.
#[derive(Debug, thiserror::Error)]
pub enum CsrError {
    /// The text is no request in PEM, or too large.
    #[error("the text holds no signing request in PEM of at most {MAX_KEY_BYTES} bytes")]
    NotPem,
    /// The block is no request.
    #[error("the signing request cannot be read")]
    Unreadable,
    /// The signature does not fit.
    #[error("the signing request is not signed by the key that it holds")]
    Signature,
    /// The key is of another kind, or too weak.
    #[error("the key of the signing request is not supported, or too weak")]
    Key,
    /// The request asks for an extension that it does not get.
    #[error("the signing request asks for {0}, which it does not get")]
    AsksForMore(String),
    /// A name in the request is none.
    #[error("the signing request asks for the name `{0}`, which is not allowed in certificates")]
    Name(String),
    /// The names are not those of the rules.
    #[error("the signing request asks for the names {asked:?}, and {allowed:?} are allowed")]
    NamesDiffer {
        /// What it asks for.
        asked: Vec<String>,
        /// What it must ask for.
        allowed: Vec<String>,
    },
    /// The common name is none of the allowed names.
    #[error("the signing request has the common name `{0}`, which is none of the allowed names")]
    CommonName(String),
    /// It could not be issued.
    #[error("the certificate for the signing request was not issued")]
    Issue(#[from] IssueError),
}

impl CsrError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotPem => "csr-not-pem",
            Self::Unreadable => "csr-unreadable",
            Self::Signature => "csr-signature-invalid",
            Self::Key => "csr-key-unsupported",
            Self::AsksForMore(_) => "csr-asks-for-more",
            Self::Name(_) => "csr-name-invalid",
            Self::NamesDiffer { .. } => "csr-names-differ",
            Self::CommonName(_) => "csr-common-name-not-allowed",
            Self::Issue(error) => error.code(),
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotPem => "give one block `-----BEGIN CERTIFICATE REQUEST-----`",
            Self::Unreadable | Self::Signature => "look at it with `openssl req -in FILE -noout -text -verify`",
            Self::Key => "make the request with a P-256, P-384, Ed25519 or RSA key of 2048 to 8192 bits",
            Self::AsksForMore(_) => "make the request anew, with subject alternative names as its only extension",
            Self::Name(_) => "make the request anew with plain host names, addresses, mail addresses or URIs",
            Self::NamesDiffer { .. } => "make the request anew with the allowed names, or change the rules",
            Self::CommonName(_) => "make the request anew with one of its names as the common name, or none",
            Self::Issue(error) => error.hint(),
        }
    }
}

impl Authority {
    /// Issues a leaf for the key of a signing request, as far as the rules allow it.
    pub fn sign_csr(
        &self,
        csr_pem: &str,
        rules: &CsrRules,
        random: &dyn Random,
        now: DateTime<Utc>,
    ) -> Result<Issued, CsrError> {
        let der = der_of(csr_pem)?;
        let (_, csr) = X509CertificationRequest::from_der(&der).map_err(|_| CsrError::Unreadable)?;
        csr.verify_signature().map_err(|_| CsrError::Signature)?;
        let public_key = public_key_of(&csr)?;
        let request = request_of(&csr, rules)?;
        Ok(self.sign_leaf(&request, &public_key, random, now)?)
    }
}

fn der_of(csr_pem: &str) -> Result<Vec<u8>, CsrError> {
    if csr_pem.len() > MAX_KEY_BYTES {
        return Err(CsrError::NotPem);
    }
    let is_request = |label: &[u8]| matches!(label, b"CERTIFICATE REQUEST" | b"NEW CERTIFICATE REQUEST");
    let block = pem::blocks(csr_pem.as_bytes()).find(|block| !block.is_ok_and(|block| !is_request(block.label)));
    let block = block.ok_or(CsrError::NotPem)?.map_err(|_| CsrError::NotPem)?;
    let der = block.decode(MAX_KEY_BYTES).map_err(|_| CsrError::NotPem)?;
    if der::is_shallow(&der) { Ok(der.to_vec()) } else { Err(CsrError::Unreadable) }
}

fn public_key_of(csr: &X509CertificationRequest<'_>) -> Result<SubjectPublicKeyInfo, CsrError> {
    let spki = &csr.certification_request_info.subject_pki;
    let key = SubjectPublicKeyInfo::from_der(spki.raw).map_err(|_| CsrError::Key)?;
    let is_weak = key_formats::is_rsa(spki.algorithm.algorithm.as_bytes())
        && !key_formats::modulus_bits(&spki.subject_public_key.data).is_some_and(|bits| (2048..=8192).contains(&bits));
    if is_weak { Err(CsrError::Key) } else { Ok(key) }
}

fn request_of(csr: &X509CertificationRequest<'_>, rules: &CsrRules) -> Result<LeafRequest, CsrError> {
    let subject = &csr.certification_request_info.subject;
    let common_name = subject.iter_common_name().next().map(|name| name.as_str().map(str::to_owned));
    let common_name = common_name.transpose().map_err(|_| CsrError::Unreadable)?;
    let mut names = names_of(csr, rules.profile)?;
    if names.is_empty() && rules.profile.is_for_servers() {
        // Requests from before there were alternative names say who they are in the common name alone.
        names.extend(common_name.as_deref().map(name_of).transpose()?);
    }
    if let Some(allowed) = &rules.names {
        check_names(&names, allowed, common_name.as_deref())?;
    }
    Ok(LeafRequest {
        common_name,
        organisation: None,
        names,
        profile: rules.profile,
        lifetime: rules.lifetime,
        on_clamp: rules.on_clamp,
        crl_url: rules.crl_url.clone(),
    })
}

fn check_names(asked: &[SubjectName], allowed: &[SubjectName], common_name: Option<&str>) -> Result<(), CsrError> {
    let set = |names: &[SubjectName]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let (asked, allowed) = (set(asked), set(allowed));
    if asked != allowed {
        return Err(CsrError::NamesDiffer { asked: Vec::from_iter(asked), allowed: Vec::from_iter(allowed) });
    }
    match common_name {
        Some(name) if !name_of(name).is_ok_and(|name| allowed.contains(&name.to_string())) => {
            Err(CsrError::CommonName(name.escape_debug().to_string()))
        }
        _ => Ok(()),
    }
}

fn names_of(csr: &X509CertificationRequest<'_>, profile: Profile) -> Result<Vec<SubjectName>, CsrError> {
    let mut requests =
        csr.certification_request_info.iter_attributes().filter_map(|attribute| match attribute.parsed_attribute() {
            ParsedCriAttribute::ExtensionRequest(request) => Some(&request.extensions),
            _ => None,
        });
    let Some(extensions) = requests.next() else {
        return Ok(Vec::new());
    };
    if requests.next().is_some() || extensions.len() > MAX_EXTENSIONS {
        return Err(CsrError::Unreadable);
    }
    let mut names = None;
    for extension in extensions {
        if let Some(asked) = wish_of(extension, profile)?
            && names.replace(asked).is_some()
        {
            return Err(CsrError::Unreadable);
        }
    }
    Ok(names.unwrap_or_default())
}

/// The names, if the extension asks for names; an error, if it asks for more than the profile gives.
fn wish_of(extension: &X509Extension<'_>, profile: Profile) -> Result<Option<Vec<SubjectName>>, CsrError> {
    let more = |what: String| Err(CsrError::AsksForMore(what));
    match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(san) if san.general_names.len() > MAX_NAMES => {
            Err(CsrError::Issue(IssueError::TooManyNames))
        }
        ParsedExtension::SubjectAlternativeName(san) => {
            san.general_names.iter().map(|name| name_of(&facts::general_name(name))).collect::<Result<_, _>>().map(Some)
        }
        ParsedExtension::BasicConstraints(constraints) if constraints.ca => more("being an authority".to_owned()),
        ParsedExtension::KeyUsage(usage) if usage.key_cert_sign() || usage.crl_sign() => {
            more("signing certificates or revocation lists".to_owned())
        }
        ParsedExtension::ExtendedKeyUsage(usage) => {
            let granted = |usage: &str| match usage {
                "server-auth" => profile.is_for_servers(),
                "client-auth" => profile.is_for_clients(),
                _ => false,
            };
            match facts::extended_key_usages(usage).find(|usage| !granted(usage)) {
                Some(usage) => more(format!("the usage `{usage}`")),
                None => Ok(None),
            }
        }
        ParsedExtension::BasicConstraints(_)
        | ParsedExtension::KeyUsage(_)
        | ParsedExtension::SubjectKeyIdentifier(_) => Ok(None),
        _ => more(format!("the extension `oid:{}`", facts::hex(extension.oid.as_bytes()))),
    }
}

fn name_of(text: &str) -> Result<SubjectName, CsrError> {
    SubjectName::parse(text).map_err(|_| CsrError::Name(text.escape_debug().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::{
        KeyKind,
        testing::{World, day, key, names, now, openssl, verified_by_openssl, write},
    };

    fn rules(names: Option<Vec<SubjectName>>) -> CsrRules {
        CsrRules { names, profile: Profile::Server, lifetime: day(30), on_clamp: OnClamp::Refuse, crl_url: None }
    }

    /// A request by OpenSSL for the subject, with lines for its extensions.
    fn by_openssl(subject: &str, extensions: &[&str]) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let key = write(&folder, "key", key(KeyKind::P256).to_pem().expose());
        let mut arguments = vec!["req", "-new", "-key", &key, "-subj", subject];
        arguments.extend(extensions.iter().flat_map(|extension| ["-addext", extension]));
        openssl(&arguments, b"")
    }

    fn signed(csr: &str, rules: &CsrRules) -> Result<Issued, &'static str> {
        let world = World::new(KeyKind::P256);
        world.authority.sign_csr(csr, rules, &world.random, now()).map_err(|error| error.code())
    }

    #[test]
    fn requests_of_all_kinds_of_keys_are_signed_and_openssl_verifies_them() {
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Ed25519, KeyKind::Rsa2048] {
            let (key, wanted) = (key(kind), names("a.example.org 10.0.0.1 email:a@b.org uri:spiffe://x/y"));
            let csr = key.csr_pem(&wanted, None).expect("a request");
            let issued = signed(&csr, &rules(Some(wanted))).expect("signed");
            assert!(issued.certificate.holds_key(key.public_key()));
            verified_by_openssl(&issued, &["-purpose", "sslserver"]);
        }
    }

    #[test]
    fn what_openssl_requests_is_signed_for_its_names_and_common_name_alone() {
        let csr = by_openssl("/C=DE/O=Other/CN=a.example.org", &["subjectAltName=DNS:a.example.org,DNS:b.example.org"]);
        let issued = signed(&csr, &rules(Some(names("b.example.org a.example.org")))).expect("signed");
        assert_eq!(issued.certificate.facts().subject, "CN=a.example.org");
        assert_eq!(issued.certificate.facts().usages, ["digital-signature", "server-auth"]);
        let old = by_openssl("/CN=a.example.org", &[]);
        assert_eq!(signed(&old, &rules(None)).expect("signed").certificate.facts().names, ["a.example.org"]);
    }

    #[test]
    fn a_request_that_asks_for_more_is_refused() {
        for extension in [
            "basicConstraints=CA:true",
            "keyUsage=keyCertSign",
            "keyUsage=cRLSign",
            "extendedKeyUsage=codeSigning",
            "extendedKeyUsage=clientAuth",
            "extendedKeyUsage=anyExtendedKeyUsage",
            "tlsfeature=status_request",
            "nameConstraints=permitted;DNS:org",
            "1.2.3.4=ASN1:UTF8String:x",
        ] {
            let csr = by_openssl("/CN=a.example.org", &["subjectAltName=DNS:a.example.org", extension]);
            assert_eq!(signed(&csr, &rules(None)), Err("csr-asks-for-more"), "{extension}");
        }
    }

    #[test]
    fn usual_wishes_are_not_more() {
        for extension in
            ["basicConstraints=CA:false", "keyUsage=digitalSignature,keyEncipherment", "extendedKeyUsage=serverAuth"]
        {
            let csr = by_openssl("/CN=a.example.org", &["subjectAltName=DNS:a.example.org", extension]);
            assert!(signed(&csr, &rules(None)).is_ok(), "{extension}");
        }
    }

    #[test]
    fn names_that_the_rules_do_not_allow_are_refused() {
        let csr = by_openssl("/CN=x.example.org", &["subjectAltName=DNS:a.example.org"]);
        assert_eq!(signed(&csr, &rules(Some(names("a.example.org")))), Err("csr-common-name-not-allowed"));
        assert_eq!(signed(&csr, &rules(Some(names("b.example.org")))), Err("csr-names-differ"));
        assert_eq!(signed(&csr, &rules(Some(names("a.example.org b.example.org")))), Err("csr-names-differ"));
        for odd in ["DNS:a_b", "dirName:d", "otherName:1.2.3;UTF8:x", "RID:1.2.3", "email:x"] {
            let section = "\n[d]\nCN=x";
            let folder = tempfile::tempdir().expect("a folder");
            let key = write(&folder, "key", key(KeyKind::P256).to_pem().expose());
            let config = write(&folder, "config", &format!("[req]\ndistinguished_name=e\n[e]\n{section}"));
            let san = format!("subjectAltName={odd}");
            let csr = openssl(&["req", "-new", "-config", &config, "-key", &key, "-subj", "/", "-addext", &san], b"");
            assert_eq!(signed(&csr, &rules(None)), Err("csr-name-invalid"), "{odd}");
        }
    }

    #[test]
    fn damage_and_weak_keys_are_refused_with_their_codes() {
        let good = key(KeyKind::P256).csr_der(&names("a.example.org"), None).expect("a request");
        let forged = |at: usize| {
            let mut der = good.clone();
            der[at] ^= 1;
            pem::encode("CERTIFICATE REQUEST", &der)
        };
        assert_eq!(signed(&forged(good.len() - 1), &rules(None)), Err("csr-signature-invalid"));
        assert_eq!(signed(&forged(0), &rules(None)), Err("csr-unreadable"));
        assert_eq!(signed("hello", &rules(None)), Err("csr-not-pem"));
        let weak =
            openssl(&["req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=a.b"], b"");
        let found = signed(&weak, &rules(None)).expect_err("refused");
        assert!(["csr-key-unsupported", "csr-signature-invalid"].contains(&found), "{found}");
    }
}
