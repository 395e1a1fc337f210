//! What is asked of an authority: a leaf certificate, or an authority itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{KeyKind, NameConstraint, SubjectName};

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// A TLS server.
    #[default]
    Server,
    /// A TLS client.
    Client,
    /// Both.
    ServerAndClient,
}

impl Profile {
    /// Whether the certificate must serve as a server's.
    pub fn is_for_servers(self) -> bool {
        self != Self::Client
    }

    /// Whether the certificate must serve as a client's.
    pub fn is_for_clients(self) -> bool {
        self != Self::Server
    }
}

/// What happens when a certificate would outlive its issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnClamp {
    /// It is an error.
    #[default]
    Refuse,
    /// The certificate ends with its issuer.
    Shorten,
}

/// A leaf certificate that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafRequest {
    /// The common name of the subject, at most 64 characters; without it and an organisation the subject is empty.
    pub common_name: Option<String>,
    /// The organisation of the subject, at most 64 characters.
    pub organisation: Option<String>,
    /// What it speaks for.
    pub names: Vec<SubjectName>,
    /// What it is for.
    pub profile: Profile,
    /// How long it is valid from now on, in whole seconds; it begins one hour before now.
    pub lifetime: Duration,
    /// What happens when it would outlive its issuer.
    pub on_clamp: OnClamp,
    /// Where the issuer's revocation list is.
    pub crl_url: Option<String>,
}

/// An authority that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityRequest {
    /// The common name, at most 64 characters.
    pub common_name: String,
    /// The organisation, at most 64 characters.
    pub organisation: Option<String>,
    /// The key that is made for it.
    pub key: KeyKind,
    /// How long it is valid from now on, in whole seconds.
    pub lifetime: Duration,
    /// How many authorities may stand between it and a leaf; without it as many as its issuer allows.
    pub path_length: Option<u8>,
    /// The only subtrees it may speak for, kind by kind; none: everything.
    pub permitted: Vec<NameConstraint>,
    /// Subtrees it must not speak for.
    pub excluded: Vec<NameConstraint>,
}
