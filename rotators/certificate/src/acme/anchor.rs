//! The root that a public chain ends in. Authorities send it rarely; it is among the account's CA certificates, where
//! the authority is private, or among those that this host trusts.
//!
//! A root counts only if the chain verifies up to it. Where there is none, the topmost intermediate stands for it: it
//! came over a connection to the authority, and a later look still proves the chain up to it.

use chrono::{DateTime, Utc};

use super::chain::Chain;
use super::error::AcmeError;
use crate::x509::{Certificate, Issued, PrivateKey, Profile, SubjectName, Wanted, gate};

/// What the chain was ordered for.
pub(super) struct Ordered<'a> {
    pub(super) names: &'a [SubjectName],
    pub(super) profile: Profile,
    pub(super) key: &'a PrivateKey,
}

/// The chain with its root.
pub(super) fn anchored(
    chain: Chain,
    ordered: &Ordered<'_>,
    ca_pem: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Issued, AcmeError> {
    let Chain { leaf, mut intermediates } = chain;
    // Whether the authority's clock is ahead is another question.
    let at = now.max(leaf.facts().not_before);
    let topmost = intermediates.last().unwrap_or(&leaf).clone();
    let is_self_issued = |certificate: &Certificate| certificate.facts().subject == certificate.facts().issuer;
    if is_self_issued(&topmost) && intermediates.pop().is_some() {
        return Ok(Issued { certificate: leaf, chain: intermediates, root: topmost });
    }
    let own = Certificate::list_pem(ca_pem.unwrap_or_default()).unwrap_or_default();
    let system = || rustls_native_certs::load_native_certs().certs;
    let trusted = system().into_iter().filter_map(|der| Certificate::from_der(&der).ok());
    let issues_it = |root: &Certificate| root.facts().subject == topmost.facts().issuer;
    for root in own.into_iter().chain(trusted).filter(issues_it) {
        let issued = Issued { certificate: leaf.clone(), chain: intermediates.clone(), root };
        let wanted = Wanted {
            names: ordered.names,
            profile: ordered.profile,
            key: ordered.key,
            anchor: &issued.root,
            longest: None,
        };
        if gate(&issued, &wanted, at).is_ok() {
            return Ok(issued);
        }
    }
    if intermediates.is_empty() {
        return Err(AcmeError::misconfigured(
            "accounts",
            "acme-root-unknown",
            format!("the root `{}` that issued the certificate is not known here", topmost.facts().issuer),
            "give the authority's root certificate as the account's `ca_pem`",
        ));
    }
    Ok(Issued { certificate: leaf, chain: intermediates, root: topmost })
}
