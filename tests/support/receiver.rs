//! An HTTP receiver that tells the truth, lies, stalls or breaks off, as its script says. Written by hand, so that it
//! can misbehave in ways that a library would not.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::mail::Certified;

/// What the receiver does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// Answers with these bytes.
    Bytes(Vec<u8>),
    /// Answers with these bytes and closes the connection.
    BytesAndClose(Vec<u8>),
    /// Answers with these bytes and then never ends.
    BytesAndHang(Vec<u8>),
    /// Answers a good head, and then a body without end.
    Endless,
    /// Reads the request and says nothing.
    Silence,
    /// Reads the request and closes.
    Close,
}

impl Say {
    /// A plain answer.
    pub(crate) fn status(status: u16) -> Self {
        Self::with(status, "", "said")
    }

    /// An answer with headers (each with its line end) and a body.
    pub(crate) fn with(status: u16, headers: &str, body: &str) -> Self {
        let length = body.len();
        Self::Bytes(format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes())
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Method and path.
    pub(crate) line: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).context("a body that is not JSON")
    }
}

#[derive(Debug, Default)]
struct Book {
    script: VecDeque<Say>,
    received: Vec<Received>,
    connections: u64,
}

/// The receiver; it ends with this value. Without a script it answers 200.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    book: Arc<Mutex<Book>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// A receiver on a port of the loopback.
    pub(crate) async fn start() -> Result<Self> {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), None).await
    }

    /// A receiver behind TLS.
    pub(crate) async fn start_secured(certified: &Certified) -> Result<Self> {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), Some(acceptor(certified)?)).await
    }

    /// A receiver at an address.
    pub(crate) async fn at(address: SocketAddr, tls: Option<TlsAcceptor>) -> Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("listen at {address}"))?;
        let address = listener.local_addr()?;
        let book = Arc::new(Mutex::new(Book::default()));
        let shared = Arc::clone(&book);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (book, tls) = (Arc::clone(&shared), tls.clone());
                lock(&book).connections += 1;
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &book).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &book).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Ok(Self { address, book, task })
    }

    /// The address as a URL with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What is said next, in order.
    pub(crate) fn script(&self, says: impl IntoIterator<Item = Say>) {
        lock(&self.book).script.extend(says);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        lock(&self.book).received.clone()
    }

    pub(crate) fn connections(&self) -> u64 {
        lock(&self.book).connections
    }
}

/// What takes TLS connections.
pub(crate) fn acceptor(certified: &Certified) -> Result<TlsAcceptor> {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let chain = CertificateDer::pem_slice_iter(certified.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn lock(book: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a connection until either side ends it.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, book: &Mutex<Book>) -> Option<()> {
    let mut held = Vec::new();
    loop {
        let received = request(&mut stream, &mut held).await?;
        let say = {
            let mut book = lock(book);
            book.received.push(received);
            book.script.pop_front().unwrap_or_else(|| Say::status(200))
        };
        match say {
            Say::Bytes(bytes) => stream.write_all(&bytes).await.ok()?,
            Say::BytesAndClose(bytes) => return stream.write_all(&bytes).await.ok(),
            Say::BytesAndHang(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                std::future::pending::<()>().await;
            }
            Say::Endless => {
                stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 999999999999\r\n\r\n").await.ok()?;
                loop {
                    stream.write_all(&[b'x'; 16_384]).await.ok()?;
                }
            }
            Say::Silence => std::future::pending().await,
            Say::Close => return None,
        }
    }
}

/// Reads one request with the length that it announces.
async fn request(stream: &mut (impl AsyncRead + Unpin), held: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        (stream.read_buf(held).await.ok()? > 0).then_some(())?;
    };
    let head = String::from_utf8_lossy(&held[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let length: usize = length.unwrap_or(0);
    while held.len() < end + 4 + length {
        (stream.read_buf(held).await.ok()? > 0).then_some(())?;
    }
    let rest = held.split_off(end + 4 + length);
    let body = held.split_off(end + 4);
    *held = rest;
    Some(Received { line, headers, body })
}
