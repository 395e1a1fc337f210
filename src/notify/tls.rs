//! What TLS trusts: the host's certificates, or the one authority that the settings name instead.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer, pki_types::pem::PemObject};

use tokio::time::Instant;

use super::NotifyError;

/// How long what the host trusts is taken as read.
const FRESH: Duration = Duration::from_mins(1);

/// The configuration of a client.
pub(super) fn client_config(kind: &'static str, ca_pem: Option<&str>) -> Result<ClientConfig, NotifyError> {
    let roots = match ca_pem {
        Some(pem) => Arc::new(from_pem(kind, pem)?),
        None => of_the_host()?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Checks certificates that settings hold.
pub(super) fn check(kind: &'static str, ca_pem: Option<&str>) -> Result<(), NotifyError> {
    ca_pem.map_or(Ok(()), |pem| from_pem(kind, pem).map(|_| ()))
}

fn from_pem(kind: &'static str, pem: &str) -> Result<RootCertStore, NotifyError> {
    let wrong = || NotifyError::Value {
        kind,
        key: "ca_pem",
        sentence: "holds no certificate that can be read".to_owned(),
        hint: "paste the text from `-----BEGIN CERTIFICATE-----` to its end".to_owned(),
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|_| wrong())?).map_err(|_| wrong())?;
    }
    if roots.is_empty() { Err(wrong()) } else { Ok(roots) }
}

/// The host's certificates, read anew after a while, as hosts change them.
fn of_the_host() -> Result<Arc<RootCertStore>, NotifyError> {
    static READ: Mutex<Option<(Instant, Arc<RootCertStore>)>> = Mutex::new(None);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, roots)) = read.as_ref().filter(|(since, _)| since.elapsed() < FRESH) {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let sentence = found.errors.first().map_or("the host has none".to_owned(), ToString::to_string);
        return Err(NotifyError::Trust { sentence });
    }
    let roots = Arc::new(roots);
    *read = Some((Instant::now(), Arc::clone(&roots)));
    Ok(roots)
}
