//! The HTTPS client that instant-acme speaks through: one connection for each request, to one host, with bounded
//! answers and time limits.
//!
//! It follows no redirect, uses no proxy and keeps no connection, so that a failure tells whether the request can have
//! arrived. Answers that are refusals become [`Exchange::Answer`], which keeps `Retry-After`; a rejected nonce alone is
//! handed on, because instant-acme repeats the request by itself then.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient, Problem};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dns::addresses_of;
use super::error::AcmeError;
use super::exchange::Exchange;
use super::retry_after::retry_after;

/// The largest answer that is read.
const MOST_BYTES: usize = 256 * 1024;
/// How long finding the host, connecting and the handshake may take, each.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";

type Tls = TlsStream<TcpStream>;

/// A client for one authority's host.
#[derive(Clone)]
pub(super) struct Client {
    tls: Arc<ClientConfig>,
    host: Authority,
    resolver: Option<SocketAddr>,
}

impl Client {
    /// Makes a client for the host of a directory. Certificates are judged by the given CA certificates, else by the
    /// system's; names are looked up at the given resolver, else by the system.
    pub(super) fn new(directory: &str, ca_pem: Option<&str>, resolver: Option<SocketAddr>) -> Result<Self, AcmeError> {
        let host = host_of(directory).ok_or_else(|| AcmeError::no_directory(directory))?;
        let roots = match ca_pem {
            Some(pem) => roots_from(pem)?,
            None => roots_of_system()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(tls), host, resolver })
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Exchange> {
        let target = self.target(request.uri())?;
        let stream = self.connect().await?;
        let (mut sender, line) = http1::handshake(TokioIo::new(stream)).await.map_err(Exchange::not_sent)?;
        // Ends with this function, and with it the connection.
        let mut line_task = JoinSet::new();
        line_task.spawn(line);
        let (mut parts, body) = request.into_parts();
        parts.uri = target;
        let host = HeaderValue::from_str(self.host.as_str()).map_err(Exchange::not_sent)?;
        parts.headers.insert(HOST, host);
        let answer = async {
            let response = sender.send_request(Request::from_parts(parts, body)).await.map_err(Exchange::lost)?;
            read(response).await
        };
        timeout(ANSWER_WITHIN, answer).await.map_err(|_| Exchange::lost("no answer in time"))?
    }

    /// The path to ask for, if the address is of this client's host: whatever a directory names elsewhere is not
    /// asked.
    fn target(&self, uri: &Uri) -> Result<Uri, Exchange> {
        let is_here = uri.scheme() == Some(&Scheme::HTTPS) && uri.authority() == Some(&self.host);
        let path = uri.path_and_query().filter(|_| is_here);
        let elsewhere = || Exchange::Elsewhere { address: uri.to_string(), host: self.host.to_string() };
        path.and_then(|path| Uri::builder().path_and_query(path.as_str()).build().ok()).ok_or_else(elsewhere)
    }

    async fn connect(&self) -> Result<Tls, Exchange> {
        let host = self.host.host().trim_start_matches('[').trim_end_matches(']');
        let port = self.host.port_u16().unwrap_or(443);
        let found = timeout(CONNECT_WITHIN, addresses_of(host, port, self.resolver)).await;
        let addresses = found.map_err(|_| Exchange::not_sent("the host was not found in time"))?;
        let addresses = addresses.map_err(Exchange::not_sent)?;
        let opening = TcpStream::connect(addresses.as_slice());
        let opened = timeout(CONNECT_WITHIN, opening).await.map_err(|_| Exchange::not_sent("no connection in time"))?;
        let stream = opened.map_err(Exchange::not_sent)?;
        let name = ServerName::try_from(host.to_owned()).map_err(Exchange::not_sent)?;
        let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream);
        let shaken = timeout(CONNECT_WITHIN, handshake).await;
        shaken.map_err(|_| Exchange::not_sent("no handshake in time"))?.map_err(|cause| Exchange::of_handshake(&cause))
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            client.exchange(request).await.map_err(|exchange| instant_acme::Error::Other(Box::new(exchange)))
        })
    }
}

async fn read(response: Response<Incoming>) -> Result<BytesResponse, Exchange> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MOST_BYTES).collect().await.map_err(Exchange::lost)?.to_bytes();
    if parts.status.is_success() {
        return Ok(BytesResponse { parts, body: Box::new(body) });
    }
    let problem = serde_json::from_slice::<Problem>(&body).ok();
    let kind = problem.as_ref().and_then(|problem| problem.r#type.as_deref());
    if parts.status == StatusCode::BAD_REQUEST && kind == Some(BAD_NONCE) {
        return Ok(BytesResponse { parts, body: Box::new(body) });
    }
    Err(Exchange::Answer { status: parts.status.as_u16(), retry_after: retry_after(&parts.headers), problem })
}

fn host_of(directory: &str) -> Option<Authority> {
    let uri: Uri = directory.parse().ok()?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
    (uri.scheme() == Some(&Scheme::HTTPS)).then(|| authority.clone())
}

fn roots_from(pem: &str) -> Result<RootCertStore, AcmeError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(AcmeError::bad_roots)?;
        roots.add(certificate).map_err(AcmeError::bad_roots)?;
    }
    if roots.is_empty() { Err(AcmeError::bad_roots("there is no certificate in it")) } else { Ok(roots) }
}

fn roots_of_system() -> Result<RootCertStore, AcmeError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(AcmeError::bad_roots("this host trusts no authority at all")) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_an_https_address_without_a_login() {
        assert_eq!(host_of("https://ca.example:14000/dir").as_ref().map(Authority::as_str), Some("ca.example:14000"));
        for odd in ["http://ca.example/dir", "https://me@ca.example/dir", "ca.example", "", "/dir"] {
            assert!(host_of(odd).is_none(), "{odd}");
        }
    }
}
