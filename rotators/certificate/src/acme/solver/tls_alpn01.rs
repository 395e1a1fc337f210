//! tls-alpn-01 (RFC 8737) by a listener of our own: it shakes hands with who speaks `acme-tls/1` and asks for a name
//! that is being proven, and says nothing more.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{Acceptor, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use super::listeners::{Answerer, Listeners, Shown};
use super::proof::{Challenge, Presented, Proof, Solver};
use crate::acme::AcmeError;

const PROTOCOL: &[u8] = b"acme-tls/1";

/// Shows proofs in handshakes on a port of this host, while an order needs them.
#[derive(Debug, Clone)]
pub struct TlsAlpn01 {
    address: SocketAddr,
    listeners: Listeners,
}

impl TlsAlpn01 {
    /// Listens at an address, which orders of one daemon share by their listeners.
    pub fn new(address: SocketAddr, listeners: &Listeners) -> Self {
        Self { address, listeners: listeners.clone() }
    }
}

#[async_trait]
impl Solver for TlsAlpn01 {
    fn challenge(&self) -> Challenge {
        Challenge::TlsAlpn01
    }

    async fn present(&self, proofs: &[Proof]) -> Result<Box<dyn Presented>, AcmeError> {
        self.listeners.show(self.address, Handshakes, proofs).await
    }
}

struct Handshakes;

#[async_trait]
impl Answerer for Handshakes {
    async fn answer(&self, stream: TcpStream, shown: &Shown) {
        let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else { return };
        let hello = start.client_hello();
        let speaks = hello.alpn().is_some_and(|mut spoken| spoken.any(|protocol| protocol == PROTOCOL));
        let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let found = shown.find(|proof| proof.server_name() == name);
        let Some(config) = found.filter(|_| speaks).and_then(|proof| showing(&proof)) else { return };
        if let Ok(mut shaken) = start.into_stream(config).await {
            let _ = shaken.shutdown().await;
        }
    }
}

/// A configuration with the certificate that shows a proof; signed by itself and of no other use.
fn showing(proof: &Proof) -> Option<Arc<ServerConfig>> {
    let key = KeyPair::generate().ok()?;
    let mut params = CertificateParams::new(vec![proof.name().to_owned()]).ok()?;
    params.custom_extensions.push(CustomExtension::new_acme_identifier(&proof.digest()));
    let certificate = params.self_signed(&key).ok()?;
    let signer = any_supported_type(&PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))).ok()?;
    let certified = CertifiedKey::new(vec![certificate.der().clone()], signer);
    let resolver: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(certified));
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .ok()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Some(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;

    use super::*;

    /// Accepts whatever is presented: what is looked at here is whether anything is.
    #[derive(Debug)]
    struct Anybody;

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            default_provider().signature_verification_algorithms.supported_schemes()
        }
    }

    async fn presented(name: &'static str, protocol: &[u8]) -> Option<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answering = tokio::spawn(async move {
            let shown = Shown::of(&[Proof::of("a.example", "token", "token.text").expect("a proof")]);
            Handshakes.answer(listener.accept().await.expect("a connection").0, &shown).await;
        });
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(address).await.expect("a connection");
        let name = ServerName::try_from(name).expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        answering.await.expect("answered");
        let stream = stream.ok()?;
        Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec())
    }

    #[tokio::test]
    async fn only_who_speaks_the_protocol_and_asks_for_the_name_is_answered() {
        let certificate = presented("a.example", PROTOCOL).await.expect("a certificate");
        let (_, certificate) = x509_parser::parse_x509_certificate(&certificate).expect("a certificate");
        let extensions = certificate.extensions();
        let id = extensions.iter().find(|extension| extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
        let id = id.expect("the acmeIdentifier of RFC 8737");
        let digest = ring::digest::digest(&ring::digest::SHA256, b"token.text");
        assert!(id.critical && id.value == [&[4, 32][..], digest.as_ref()].concat());
        assert_eq!(presented("b.example", PROTOCOL).await, None);
        assert_eq!(presented("a.example", b"http/1.1").await, None);
    }
}
