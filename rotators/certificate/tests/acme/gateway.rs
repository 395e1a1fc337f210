//! A TLS server before Pebble that passes requests on, or answers in its place, or loses what Pebble answered.
//!
//! Pebble builds its addresses from the `Host` of a request, so that everything goes through here.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use keywheel_certificate::acme::{Account, Directory, Registration};
use keywheel_contract::SecretText;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::rig::Pebble;
use super::wait::local;

/// What becomes of one request.
pub(crate) enum Act {
    /// Pebble answers.
    Forward,
    /// Pebble answers, and its answer is changed on the way.
    Edit(fn(&mut Value)),
    /// Pebble answers, and its order is said to be in the works for so many seconds more.
    Busy(u32),
    /// The gateway answers.
    Answer(Reply),
    /// Pebble gets it, and the answer is lost.
    Lose,
    /// Pebble gets it, and the answer never comes.
    Hang,
}

/// An answer of the gateway's own.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    /// A problem document of RFC 8555.
    pub(crate) fn problem(status: u16, kind: &str) -> Self {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        Self::new(status, json!({"type": kind, "detail": "so it is", "status": status}).to_string())
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// One request as the gateway saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    /// Of a signed request, what was signed.
    pub(crate) payload: String,
    /// How many came to the same kind of path before: the part up to the second slash.
    pub(crate) before: usize,
    /// Whether finalize was asked for before.
    pub(crate) is_after_finalize: bool,
}

impl Seen {
    pub(crate) fn is_at(&self, kind: &str) -> bool {
        kind_of(&self.path) == kind
    }
}

/// A gateway that runs until it is dropped.
pub(crate) struct Gateway {
    port: u16,
    certificate: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    rule: Box<dyn Fn(&Seen) -> Act + Send + Sync>,
    seen: Mutex<Vec<Seen>>,
    hung: Notify,
    rejected_nonces: AtomicUsize,
    pebble: u16,
    tls: TlsConnector,
}

impl Gateway {
    pub(crate) async fn before(pebble: &Pebble, rule: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
        let certificate = params.self_signed(&key).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("a configuration");
        let listener = TcpListener::bind(local(0)).await.expect("a port");
        let port = listener.local_addr().expect("a port").port();
        let shared = Arc::new(Shared {
            rule: Box::new(rule),
            seen: Mutex::default(),
            hung: Notify::new(),
            rejected_nonces: AtomicUsize::new(0),
            pebble: pebble.port(),
            tls: connector(&pebble.directory()),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), Arc::clone(&shared)));
        Self { port, certificate: certificate.pem(), shared, _tasks: tasks }
    }

    pub(crate) fn directory(&self) -> Directory {
        let url = format!("https://localhost:{}/dir", self.port);
        Directory { ca_pem: Some(self.certificate.clone()), ..Directory::named(&url) }
    }

    pub(crate) async fn account(&self) -> (Account, SecretText) {
        let directory = self.directory();
        let registration = Registration { directory, contact: Vec::new(), terms_agreed: true, binding: None };
        Account::register(&registration).await.expect("an account")
    }

    /// The requests to one kind of path.
    pub(crate) fn seen(&self, kind: &str) -> Vec<Seen> {
        let seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|seen| seen.is_at(kind)).cloned().collect()
    }

    /// How many requests Pebble refused for their nonce.
    pub(crate) fn rejected_nonces(&self) -> usize {
        self.shared.rejected_nonces.load(Ordering::SeqCst)
    }

    /// Waits until a request hangs.
    pub(crate) async fn hung(&self) {
        self.shared.hung.notified().await;
    }
}

/// The root of Pebble's chain, which it makes anew at each start.
pub(crate) async fn root_of(pebble: &Pebble) -> String {
    let stream = TcpStream::connect(local(pebble.management)).await.expect("the management port");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = connector(&pebble.directory()).connect(name, stream).await.expect("TLS");
    let (mut sender, line) = client::handshake(TokioIo::new(stream)).await.expect("HTTP");
    let mut line_task = JoinSet::new();
    line_task.spawn(line);
    let request = Request::get("/roots/0").header("host", "localhost").body(Full::<Bytes>::default());
    let answer = sender.send_request(request.expect("a request")).await.expect("an answer");
    let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("PEM")
}

fn kind_of(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn connector(directory: &Directory) -> TlsConnector {
    let pem = directory.ca_pem.as_deref().expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let answering = service_fn(|request| answer(Arc::clone(&shared), request));
            let _ = server::Builder::new().serve_connection(TokioIo::new(stream), answering).await;
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let act = (shared.rule)(&shared.note(parts.uri.path(), &body));
    let request = Request::from_parts(parts, Full::new(body));
    match act {
        Act::Forward => shared.forward(request).await,
        Act::Answer(reply) => Ok(reply.into()),
        Act::Edit(change) => edited(shared.forward(request).await?, change).await,
        Act::Busy(seconds) => {
            let mut busy =
                edited(shared.forward(request).await?, |order| order["status"] = "processing".into()).await?;
            busy.headers_mut().insert(RETRY_AFTER, seconds.into());
            Ok(busy)
        }
        Act::Lose => {
            shared.forward(request).await?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Act::Hang => {
            shared.forward(request).await?;
            shared.hung.notify_one();
            std::future::pending().await
        }
    }
}

async fn edited(answer: Response<Full<Bytes>>, change: fn(&mut Value)) -> io::Result<Response<Full<Bytes>>> {
    let (mut parts, body) = answer.into_parts();
    let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut value = serde_json::from_slice(&bytes)?;
    change(&mut value);
    parts.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Full::from(value.to_string())))
}

impl From<Reply> for Response<Full<Bytes>> {
    fn from(reply: Reply) -> Self {
        let mut response = Response::new(Full::from(reply.body));
        *response.status_mut() = StatusCode::from_u16(reply.status).expect("a status");
        for (name, value) in reply.headers {
            response.headers_mut().insert(name, value.parse().expect("a header"));
        }
        response
    }
}

impl Shared {
    fn note(&self, path: &str, body: &[u8]) -> Seen {
        let jws: HashMap<String, String> = serde_json::from_slice(body).unwrap_or_default();
        let payload = jws.get("payload").and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.iter().filter(|seen| seen.is_at(kind_of(path))).count();
        let is_after_finalize = seen.iter().any(|seen| seen.is_at("finalize-order"));
        let payload = String::from_utf8_lossy(&payload).into_owned();
        seen.push(Seen { path: path.to_owned(), payload, before, is_after_finalize });
        seen.last().expect("just pushed").clone()
    }

    async fn forward(&self, request: Request<Full<Bytes>>) -> io::Result<Response<Full<Bytes>>> {
        let stream = TcpStream::connect(local(self.pebble)).await?;
        let stream = self.tls.connect(ServerName::try_from("localhost").expect("a name"), stream).await?;
        let (mut sender, line) = client::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let mut line_task = JoinSet::new();
        line_task.spawn(line);
        let (parts, body) = sender.send_request(request).await.map_err(io::Error::other)?.into_parts();
        let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if String::from_utf8_lossy(&bytes).contains("urn:ietf:params:acme:error:badNonce") {
            self.rejected_nonces.fetch_add(1, Ordering::SeqCst);
        }
        Ok(Response::from_parts(parts, Full::new(bytes)))
    }
}
