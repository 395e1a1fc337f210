//! Taking a certificate back at its authority (RFC 8555, section 7.6). A certificate that is revoked already is
//! revoked.

use instant_acme::{RevocationReason, RevocationRequest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::account::Account;
use super::error::{AcmeError, refusal_of};
use super::nonce::insist;

const ALREADY_REVOKED: &str = "urn:ietf:params:acme:error:alreadyRevoked";

/// Why a certificate is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Another one took its place.
    Superseded,
    /// Its key is known to others.
    KeyCompromise,
    /// What it stands for has ended.
    CessationOfOperation,
}

/// Revokes a certificate that this account obtained, given as PEM.
pub async fn revoke(account: &Account, leaf_pem: &str, reason: Reason) -> Result<(), AcmeError> {
    let certificate = CertificateDer::from_pem_slice(leaf_pem.as_bytes()).map_err(|cause| {
        let sentence = format!("the certificate to revoke cannot be read: {cause}");
        AcmeError::misconfigured("certificate", "acme-certificate-unreadable", sentence, "give it as PEM")
    })?;
    let reason = match reason {
        Reason::Superseded => RevocationReason::Superseded,
        Reason::KeyCompromise => RevocationReason::KeyCompromise,
        Reason::CessationOfOperation => RevocationReason::CessationOfOperation,
    };
    let request = RevocationRequest { certificate: &certificate, reason: Some(reason) };
    match insist!(account.inner().revoke(&request).await) {
        Err(error) if refusal_of(&error).is_some_and(|(_, kind)| kind == Some(ALREADY_REVOKED)) => Ok(()),
        outcome => outcome.map_err(|error| AcmeError::of("revocation", &error)),
    }
}
