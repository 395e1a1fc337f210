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
