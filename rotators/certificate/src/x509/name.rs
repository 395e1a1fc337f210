//! The names that a certificate speaks for, and the constraints that an authority puts on them.
//!
//! A name is checked when it is made, so that nothing later meets a damaged one. Host names are kept in lower case;
//! internationalised ones must be given as A-labels (RFC 5890): to convert is to guess, and a guess here is a
//! certificate for somebody else.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not a name for a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The name is longer than its kind allows.
    #[error("the name is too long: at most {most} characters, found {found}")]
    TooLong {
        /// The bound.
        most: usize,
        /// What was found.
        found: usize,
    },
    /// The name has characters outside ASCII.
    #[error("`{0}` is not ASCII")]
    NotAscii(String),
    /// The name is no host name.
    #[error("`{name}` is not a host name: {why}")]
    Host {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A star stands elsewhere than as the whole leftmost label before two others.
    #[error("`{0}` has a wildcard in a place where none may stand")]
    Wildcard(String),
    /// The name is no mail address.
    #[error("`{0}` is not a mail address")]
    Email(String),
    /// The name is no absolute URI.
    #[error("`{0}` is not an absolute URI")]
    Uri(String),
    /// The text is no network in the form address/prefix.
    #[error("`{0}` is not a network")]
    Network(String),
}

impl NameError {
    /// A stable kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "name-empty",
            Self::TooLong { .. } => "name-too-long",
            Self::NotAscii(_) => "name-not-ascii",
            Self::Host { .. } => "name-not-a-host",
            Self::Wildcard(_) => "name-wildcard-misplaced",
            Self::Email(_) => "name-not-an-email",
            Self::Uri(_) => "name-not-a-uri",
            Self::Network(_) => "name-not-a-network",
        }
    }

    /// What solves it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => "give at least one name, such as `shop.example.org`",
            Self::TooLong { .. } => "shorten the name",
            Self::NotAscii(_) => "write an internationalised name as A-labels, such as `xn--bcher-kva.example`",
            Self::Host { .. } => "write a host name such as `shop.example.org`: labels of letters, digits and hyphens",
            Self::Wildcard(_) => "let the star be the whole leftmost label, before at least two others",
            Self::Email(_) => "write `email:` and an address such as `ops@example.org`",
            Self::Uri(_) => "write `uri:` and an absolute URI such as `spiffe://example.org/web`",
            Self::Network(_) => "write a network such as `10.0.0.0/8`, with the bits after the prefix zero",
        }
    }
}

/// One subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SubjectName {
    /// A host name in lower case, possibly with a leftmost `*`.
    Dns(String),
    /// An address.
    Ip(IpAddr),
    /// A mail address.
    Email(String),
    /// An absolute URI.
    Uri(String),
}

impl SubjectName {
    /// Reads `shop.example.org`, `*.example.org`, `10.0.0.1`, `email:ops@example.org` or `uri:spiffe://example.org/web`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if let Some(address) = text.strip_prefix("email:") {
            return email(address).map(Self::Email);
        }
        if let Some(address) = text.strip_prefix("uri:") {
            return uri(address).map(Self::Uri);
        }
        match text.parse() {
            Ok(address) => Ok(Self::Ip(address)),
            Err(_) => host(text, Wildcards::Allowed).map(Self::Dns),
        }
    }
}

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
        }
    }
}

impl FromStr for SubjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for SubjectName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<SubjectName> for String {
    fn from(name: SubjectName) -> Self {
        name.to_string()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wildcards {
    Allowed,
    Refused,
}

fn bounded(text: &str, most: usize) -> Result<(), NameError> {
    match text.chars().count() {
        0 => Err(NameError::Empty),
        found if found > most => Err(NameError::TooLong { most, found }),
        _ if !text.is_ascii() => Err(NameError::NotAscii(text.to_owned())),
        _ => Ok(()),
    }
}

/// A host name in the preferred syntax of RFC 1034, with digits allowed in front (RFC 1123).
fn host(text: &str, wildcards: Wildcards) -> Result<String, NameError> {
    bounded(text, 253)?;
    let name = text.to_ascii_lowercase();
    let plain = match name.strip_prefix("*.") {
        Some(plain) if wildcards == Wildcards::Allowed && plain.contains('.') => plain,
        Some(_) => return Err(NameError::Wildcard(name)),
        None => &name,
    };
    if plain.contains('*') {
        return Err(NameError::Wildcard(name));
    }
    let wrong = plain.split('.').find_map(wrong_with_label).or_else(|| {
        let last = plain.rsplit('.').next().unwrap_or_default();
        last.bytes().all(|byte| byte.is_ascii_digit()).then_some("its last label is a number")
    });
    match wrong {
        Some(why) => Err(NameError::Host { name, why }),
        None => Ok(name),
    }
}

fn wrong_with_label(label: &str) -> Option<&'static str> {
    let bytes = label.as_bytes();
    if bytes.is_empty() {
        Some("a label is empty")
    } else if bytes.len() > 63 {
        Some("a label has more than 63 characters")
    } else if bytes.starts_with(b"-") || bytes.ends_with(b"-") {
        Some("a label begins or ends with a hyphen")
    } else if !bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
        Some("a label has a character other than letters, digits and hyphens")
    } else if bytes.get(2..4) == Some(b"--") && (!bytes.starts_with(b"xn--") || bytes.len() == 4) {
        Some("a label has hyphens in its third and fourth place and is no A-label")
    } else {
        None
    }
}

fn email(text: &str) -> Result<String, NameError> {
    bounded(text, 254)?;
    let wrong = || NameError::Email(text.to_owned());
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    if local.len() > 64 || !local.split('.').all(is_atom) {
        return Err(wrong());
    }
    let domain = host(domain, Wildcards::Refused).map_err(|_| wrong())?;
    Ok(format!("{local}@{domain}"))
}

/// An absolute URI: a scheme (RFC 3986, 3.1), a colon and visible ASCII.
pub(super) fn uri(text: &str) -> Result<String, NameError> {
    bounded(text, 2048)?;
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    let is_visible = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) && !rest.is_empty() && is_visible(rest) => Ok(text.to_owned()),
        _ => Err(NameError::Uri(text.to_owned())),
    }
}

/// One subtree of names that an authority may, or must not, speak for (RFC 5280, 4.2.1.10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NameConstraint {
    /// A domain and everything below it.
    Dns(String),
    /// A network.
    Ip {
        /// Its first address.
        address: IpAddr,
        /// How many bits are fixed.
        prefix: u8,
    },
    /// All addresses at a host.
    Email(String),
}

impl NameConstraint {
    /// Reads `example.org`, `10.0.0.0/8` or `email:example.org`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if let Some(domain) = text.strip_prefix("email:") {
            return host(domain, Wildcards::Refused).map(Self::Email);
        }
        match text.split_once('/') {
            Some((address, prefix)) => network(address, prefix).ok_or_else(|| NameError::Network(text.to_owned())),
            None => host(text, Wildcards::Refused).map(Self::Dns),
        }
    }

    /// Whether the name lies in the subtree; `None` where the constraint says nothing about this kind of name.
    pub fn covers(&self, name: &SubjectName) -> Option<bool> {
        match (self, name) {
            (Self::Dns(domain), SubjectName::Dns(name)) => {
                Some(is_below(name.strip_prefix("*.").unwrap_or(name), domain))
            }
            (Self::Ip { address, prefix }, SubjectName::Ip(name)) => Some(masked(*name, *prefix) == Some(*address)),
            (Self::Email(host), SubjectName::Email(name)) => {
                Some(name.rsplit_once('@').is_some_and(|(_, at)| at == host))
            }
            _ => None,
        }
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

fn network(address: &str, prefix: &str) -> Option<NameConstraint> {
    let (address, prefix) = (address.parse().ok()?, prefix.parse().ok()?);
    (masked(address, prefix) == Some(address)).then_some(NameConstraint::Ip { address, prefix })
}

fn masked(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
            Some(IpAddr::V4((v4.to_bits() & mask).into()))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix)?).unwrap_or(0);
            Some(IpAddr::V6((v6.to_bits() & mask).into()))
        }
    }
}

impl fmt::Display for NameConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(domain) => f.write_str(domain),
            Self::Ip { address, prefix } => write!(f, "{address}/{prefix}"),
            Self::Email(host) => write!(f, "email:{host}"),
        }
    }
}

impl TryFrom<String> for NameConstraint {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<NameConstraint> for String {
    fn from(constraint: NameConstraint) -> Self {
        constraint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_meaning_as_text() {
        for text in [
            "shop.example.org",
            "*.example.org",
            "localhost",
            "xn--bcher-kva.example",
            "10.0.0.1",
            "2001:db8::1",
            "email:ops@example.org",
            "uri:spiffe://example.org/web",
            "3com.example",
        ] {
            assert_eq!(SubjectName::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(SubjectName::parse("Shop.Example.ORG"), Ok(SubjectName::Dns("shop.example.org".into())));
    }

    #[test]
    fn what_is_no_name_is_refused_with_its_code() {
        for (text, code) in [
            ("", "name-empty"),
            ("bücher.example", "name-not-ascii"),
            ("a..b", "name-not-a-host"),
            ("-a.example", "name-not-a-host"),
            ("a_b.example", "name-not-a-host"),
            ("10.0.0.300", "name-not-a-host"),
            ("a.example.", "name-not-a-host"),
            ("ab--c.example", "name-not-a-host"),
            ("a b.example", "name-not-a-host"),
            ("*", "name-wildcard-misplaced"),
            ("*.org", "name-wildcard-misplaced"),
            ("a.*.org", "name-wildcard-misplaced"),
            ("w*.example.org", "name-wildcard-misplaced"),
            ("*.*.example.org", "name-wildcard-misplaced"),
            ("email:nobody", "name-not-an-email"),
            ("email:a@b@", "name-not-an-email"),
            ("email:a b@c.org", "name-not-an-email"),
            ("uri:/web", "name-not-a-uri"),
            ("uri:http:", "name-not-a-uri"),
            ("uri:x:a b", "name-not-a-uri"),
        ] {
            assert_eq!(SubjectName::parse(text).expect_err(text).code(), code, "{text}");
        }
        assert_eq!(SubjectName::parse(&format!("{}.org", "a".repeat(64))).expect_err("long").code(), "name-not-a-host");
        assert_eq!(SubjectName::parse(&"a.".repeat(200)).expect_err("long").code(), "name-too-long");
    }

    #[test]
    fn constraints_cover_what_lies_below_them() {
        for (constraint, name, covered) in [
            ("example.org", "example.org", Some(true)),
            ("example.org", "a.example.org", Some(true)),
            ("example.org", "*.example.org", Some(true)),
            ("example.org", "badexample.org", Some(false)),
            ("10.0.0.0/8", "10.200.3.4", Some(true)),
            ("10.0.0.0/8", "11.0.0.1", Some(false)),
            ("10.0.0.0/8", "::1", Some(false)),
            ("0.0.0.0/0", "1.2.3.4", Some(true)),
            ("2001:db8::/32", "2001:db8::5", Some(true)),
            ("email:example.org", "email:a@example.org", Some(true)),
            ("email:example.org", "email:a@b.example.org", Some(false)),
            ("example.org", "10.0.0.1", None),
            ("10.0.0.0/8", "example.org", None),
        ] {
            let constraint = NameConstraint::parse(constraint).expect(constraint);
            assert_eq!(constraint.covers(&SubjectName::parse(name).expect(name)), covered, "{constraint} {name}");
        }
    }

    #[test]
    fn a_network_with_bits_after_its_prefix_is_refused() {
        for text in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/x", "/8", "::1/64"] {
            assert_eq!(NameConstraint::parse(text).expect_err(text).code(), "name-not-a-network");
        }
    }
}
