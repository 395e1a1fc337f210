//! The way to the daemon: its unix socket, or an address and a token. No proxy of the environment, no redirects.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use axum::http::Method;
use reqwest::{Certificate, Response, redirect::Policy};
use serde::{Serialize, de::DeserializeOwned};

use super::{CliError, Exit};
use crate::{http::Problem, model::SecretText};

/// Where the daemon is.
#[derive(Debug, Clone)]
pub(super) enum Address {
    /// A unix socket.
    Socket(std::path::PathBuf),
    /// An address with a token, and a file with the certificates that alone are trusted there.
    Url { url: String, token: Option<SecretText>, authority: Option<PathBuf> },
}

/// A client of the API.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    address: Address,
}

impl Client {
    pub(super) fn new(address: Address) -> Result<Self, CliError> {
        let builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(1)
            .user_agent(concat!("keywheel/", env!("CARGO_PKG_VERSION")));
        let builder = match &address {
            Address::Socket(path) => builder.unix_socket(path.as_path()),
            Address::Url { authority: Some(file), .. } => builder.tls_certs_only(read_authority(file)?),
            Address::Url { authority: None, .. } => builder,
        };
        let http = builder.build().map_err(|error| {
            let sentence = "the connection to the daemon cannot be set up";
            CliError::new(Exit::Failed, "client", sentence, "report this").caused_by(&error)
        })?;
        Ok(Self { http, address })
    }

    /// Begins a request below `/api/v1`. Each segment is percent-encoded, slashes too.
    pub(super) fn ask(&self, method: Method, segments: &[&str]) -> Ask<'_> {
        let (base, token) = match &self.address {
            Address::Socket(_) => ("http://localhost", None),
            Address::Url { url, token, .. } => (url.trim_end_matches('/'), token.as_ref()),
        };
        let path: String = segments.iter().flat_map(|segment| ["/".to_owned(), encode(segment)]).collect();
        let mut request = self.http.request(method, format!("{base}/api/v1{path}"));
        if let Some(token) = token {
            request = request.bearer_auth(token.expose());
        }
        Ask { client: self, request }
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let (place, hint) = match &self.address {
            Address::Socket(path) => (path.display().to_string(), socket_hint(path)),
            Address::Url { url, .. } => {
                let hint = "see that the daemon serves there, `KEYWHEEL_ADDR`, and `KEYWHEEL_CACERT` for whom to trust";
                (url.clone(), hint.to_owned())
            }
        };
        let sentence = format!("the daemon cannot be reached at `{place}`");
        let told = CliError::new(Exit::Failed, "daemon-unreachable", sentence, hint);
        match std::error::Error::source(error) {
            Some(source) => told.caused_by(source),
            None => told.caused_by(error),
        }
    }
}

/// Reads the certificates that alone are trusted.
fn read_authority(file: &Path) -> Result<Vec<Certificate>, CliError> {
    let refused = |because: &str| {
        let sentence = format!("`KEYWHEEL_CACERT` names `{}`, {because}", file.display());
        CliError::new(Exit::Usage, "cacert-unreadable", sentence, "name a PEM file with the authority's certificate")
    };
    let pem = std::fs::read(file).map_err(|error| refused("which cannot be read").caused_by(&error))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| refused("which is no PEM").caused_by(&error))?;
    if found.is_empty() { Err(refused("which holds no certificate")) } else { Ok(found) }
}

fn socket_hint(path: &Path) -> String {
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            "run the command as the owner of the data directory".to_owned()
        }
        _ => "start it with `keywheel serve`, or name its socket by `--socket` or `--data-dir`".to_owned(),
    }
}

/// Percent-encodes a segment but for the unreserved characters (RFC 3986, 2.3).
pub(super) fn encode(segment: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    segment.bytes().map(one).collect()
}

/// A request that is being put together.
pub(super) struct Ask<'c> {
    client: &'c Client,
    request: reqwest::RequestBuilder,
}

impl Ask<'_> {
    /// Adds a parameter.
    pub(super) fn query(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let pair = format!("{}={}", encode(name), encode(&format!("{value}")));
        let (client, request) = self.request.build_split();
        self.request = match request {
            Ok(mut request) => {
                let query = request.url().query().map_or_else(|| pair.clone(), |query| format!("{query}&{pair}"));
                request.url_mut().set_query(Some(&query));
                reqwest::RequestBuilder::from_parts(client, request)
            }
            // A broken address: sending tells it.
            Err(_) => client.request(reqwest::Method::GET, ""),
        };
        self
    }

    /// Adds a parameter if there is a value.
    pub(super) fn maybe_query(self, name: &str, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Adds a JSON body.
    pub(super) fn body<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// Sends it and reads the JSON of the answer.
    pub(super) async fn send<T: DeserializeOwned>(self) -> Result<T, CliError> {
        let response = self.send_raw().await?;
        let bytes = response.bytes().await.map_err(|error| broken_off(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let sentence = "the daemon's answer cannot be read";
            let hint = "use the same release for command and daemon";
            CliError::new(Exit::Failed, "answer-unreadable", sentence, hint).caused_by(&error)
        })
    }

    /// Sends it and reads no answer.
    pub(super) async fn send_unit(self) -> Result<(), CliError> {
        self.send_raw().await.map(drop)
    }

    /// Sends it; the answer is not an error.
    pub(super) async fn send_raw(self) -> Result<Response, CliError> {
        let client = self.client;
        let response = self.request.send().await.map_err(|error| client.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = response.bytes().await.unwrap_or_default();
        let problem = serde_json::from_slice::<Problem>(&bytes);
        Err(problem.map_or_else(|_| not_keywheel(status.as_u16()), CliError::from))
    }
}

fn not_keywheel(status: u16) -> CliError {
    let sentence = format!("the answer has status {status} and is not keywheel's");
    CliError::new(Exit::Failed, "not-keywheel", sentence, "see `KEYWHEEL_ADDR`: does something else answer there?")
}

/// The answer ended before it was whole.
pub(super) fn broken_off(error: &reqwest::Error) -> CliError {
    let sentence = "the daemon's answer broke off: whether it was done is unknown";
    CliError::new(Exit::Failed, "answer-broken-off", sentence, "look with `keywheel events`").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(encode("billing/db"), "billing%2Fdb");
        assert_eq!(encode("a b%?#é~"), "a%20b%25%3F%23%C3%A9~");
    }

    #[tokio::test]
    async fn an_absent_daemon_is_told_with_its_socket() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let client = Client::new(Address::Socket(folder.path().join("none.sock"))).expect("a client");
        let error = client.ask(Method::GET, &["status"]).send_unit().await.expect_err("absent");
        assert_eq!(error.code, "daemon-unreachable");
        assert!(error.sentence.contains("none.sock") && error.hint.contains("keywheel serve"));
    }
}
