//! A verifier that accepts any chain, keeps it, and still checks that the server holds the leaf's key.

use std::sync::{Mutex, PoisonError};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::Presented;

/// More and longer chains than this are nobody's.
const MOST_CERTIFICATES: usize = 16;

#[derive(Debug)]
pub(super) struct Recorder {
    algorithms: WebPkiSupportedAlgorithms,
    recorded: Mutex<Recorded>,
}

#[derive(Debug, Default)]
struct Recorded {
    presented: Option<Presented>,
    is_key_proven: bool,
}

impl Recorder {
    pub(super) fn new(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { algorithms, recorded: Mutex::default() }
    }

    /// What was presented, if the server has proven that it holds the leaf's key.
    pub(super) fn take(&self) -> Option<Presented> {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let presented = recorded.presented.take();
        presented.filter(|_| recorded.is_key_proven)
    }

    fn proven(&self, checked: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        if checked.is_ok() {
            self.recorded.lock().unwrap_or_else(PoisonError::into_inner).is_key_proven = true;
        }
        checked
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if intermediates.len() >= MOST_CERTIFICATES {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        let presented = Presented {
            leaf_der: end_entity.to_vec(),
            chain_der: intermediates.iter().map(|one| one.to_vec()).collect(),
        };
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).presented = Some(presented);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proven(verify_tls12_signature(message, cert, dss, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proven(verify_tls13_signature(message, cert, dss, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
