//! http-01 by a listener of our own. It knows the paths of the proofs that are shown and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::listeners::{Answerer, Listeners, Shown};
use super::proof::{Challenge, Presented, Proof, Solver};
use crate::acme::AcmeError;

const FOLDER: &str = "/.well-known/acme-challenge/";

/// Shows proofs on a port of this host, while an order needs them.
#[derive(Debug, Clone)]
pub struct Http01Listener {
    address: SocketAddr,
    listeners: Listeners,
}

impl Http01Listener {
    /// Listens at an address, which orders of one daemon share by their listeners.
    pub fn new(address: SocketAddr, listeners: &Listeners) -> Self {
        Self { address, listeners: listeners.clone() }
    }
}

#[async_trait]
impl Solver for Http01Listener {
    fn challenge(&self) -> Challenge {
        Challenge::Http01
    }

    async fn present(&self, proofs: &[Proof]) -> Result<Box<dyn Presented>, AcmeError> {
        self.listeners.show(self.address, Web, proofs).await
    }
}

struct Web;

#[async_trait]
impl Answerer for Web {
    async fn answer(&self, stream: TcpStream, shown: &Shown) {
        let answering = service_fn(|request: Request<Incoming>| {
            let response = page(request.method(), request.uri().path(), shown);
            async move { Ok::<_, Infallible>(response) }
        });
        let mut server = http1::Builder::new();
        // Who hangs up in the middle has no answer, and needs none.
        let _ =
            server.keep_alive(false).max_buf_size(16 * 1024).serve_connection(TokioIo::new(stream), answering).await;
    }
}

fn page(method: &Method, path: &str, shown: &Shown) -> Response<Full<Bytes>> {
    let found = path.strip_prefix(FOLDER).and_then(|token| shown.find(|proof| proof.token() == token));
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let (status, text) = match found.filter(|_| is_read) {
        Some(proof) => (StatusCode::OK, proof.text().to_owned()),
        None => (StatusCode::NOT_FOUND, String::new()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_answered_but_the_proofs_that_are_shown() {
        let shown = Shown::of(&[Proof::of("a.example", "token", "token.text").expect("a proof")]);
        let status = |method: Method, path: &str| page(&method, path, &shown).status().as_u16();
        assert_eq!(status(Method::GET, "/.well-known/acme-challenge/token"), 200);
        for path in ["/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/tokens", "/token", "token"] {
            assert_eq!(status(Method::GET, path), 404, "{path}");
        }
        assert_eq!(status(Method::POST, "/.well-known/acme-challenge/token"), 404);
    }
}
