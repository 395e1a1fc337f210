//! Connections: TCP with or without TLS, or a unix socket.
//!
//! The answer to the request for TLS is read as one byte from the bare socket, so that nothing which was injected
//! before the handshake is taken for part of the session (CVE-2021-23222).

use std::{
    io,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::TlsConnector;

use super::WireError;

/// Anything that bytes go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where to connect, and whether TLS with full verification is asked for.
#[derive(Clone)]
pub(crate) struct Address {
    /// A name or an address; with a leading `/`, the folder of a unix socket.
    pub(crate) host: String,
    /// The port, which also names the socket in its folder.
    pub(crate) port: u16,
    /// The TLS settings; none for a connection in clear.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Whether the connection stays on this host.
    pub(crate) local: bool,
}

/// `SSLRequest`: a length of 8 and the code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

impl Address {
    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, WireError> {
        let failed = |cause: io::Error| WireError::silent("connecting", cause);
        if self.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", self.host, self.port);
            return Ok(Box::new(UnixStream::connect(path).await.map_err(failed)?));
        }
        let mut socket = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(socket)) };
        socket.write_all(&SSL_REQUEST).await.map_err(failed)?;
        match socket.read_u8().await.map_err(failed)? {
            b'S' => {}
            b'N' => return Err(WireError::Tls { cause: "the server does not offer TLS".to_owned() }),
            _ => return Err(WireError::protocol("the answer to the request for TLS is not PostgreSQL's")),
        }
        let name = ServerName::try_from(self.host.clone()).map_err(|e| WireError::Tls { cause: e.to_string() })?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await.map_err(tls_error)?;
        Ok(Box::new(stream))
    }
}

/// A handshake that was refused, here or there, is told from a connection that broke.
fn tls_error(cause: io::Error) -> WireError {
    match cause.kind() {
        io::ErrorKind::InvalidData => WireError::Tls { cause: cause.to_string() },
        _ => WireError::silent("the TLS handshake", cause),
    }
}

/// Builds the TLS settings that trust the given certificates (PEM) and nothing else, or the system's without them.
/// The error is a sentence about the certificates.
pub(crate) fn client_config(ca: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let roots = match ca {
        Some(pem) => given_roots(pem)?,
        None => native_roots(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| e.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn given_roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|e| format!("not PEM: {e}"))?;
        roots.add(certificate).map_err(|e| format!("not a certificate of an authority: {e}"))?;
    }
    if roots.is_empty() {
        return Err("no certificate in PEM form was found".to_owned());
    }
    Ok(roots)
}

fn native_roots() -> RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    };
    ROOTS.get_or_init(load).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_without_a_certificate_is_refused() {
        assert!(client_config(Some("hello")).is_err());
        assert!(client_config(Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).is_err());
    }
}
