//! A daemon with an HTTPS listener, a private authority that issues its certificates, and clients that trust that alone.

use std::{net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, process::Command};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{
    daemon::{Daemon, PATIENCE, command::Output},
    wait::eventually,
};

/// An authority of this test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) pem: String,
    der: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        let certificate = params.self_signed(&key)?;
        Ok(Self { pem: certificate.pem(), der: certificate.der().clone(), issuer: Issuer::new(params, key) })
    }

    /// The fields of a certificate with this serial, for `localhost` and the loopback.
    pub(crate) fn issue(&self, serial: u64) -> Result<Value> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(json!({
            "private_key": key.serialize_pem(),
            "certificate": certificate.pem(),
            "chain": "",
            "ca": self.pem,
            "serial": format!("{serial:x}"),
            "not_after": "2099-01-01T00:00:00Z",
        }))
    }

    /// What a client trusts.
    pub(crate) fn config(&self, versions: &[&'static SupportedProtocolVersion]) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// The daemon and its listener.
pub(crate) struct Served {
    pub(crate) daemon: Daemon,
    pub(crate) authority: Authority,
    pub(crate) address: SocketAddr,
}

/// The secret whose certificate is shown.
pub(crate) const CERTIFICATE: &str = "keywheel/listener";

impl Served {
    /// A daemon whose certificate is not there yet.
    pub(crate) async fn waiting() -> Result<Self> {
        Self::with("").await
    }

    /// The same, with more in the configuration.
    pub(crate) async fn with(extra: &str) -> Result<Self> {
        let _ = ring::default_provider().install_default();
        let config = format!("[listen]\naddress = \"127.0.0.1:0\"\ncertificate = \"{CERTIFICATE}\"\n{extra}");
        let daemon = Daemon::start(&config).await?;
        let address = daemon.status().await?["https"]["address"].as_str().context("it listens")?.parse()?;
        Ok(Self { daemon, authority: Authority::new()?, address })
    }

    /// A daemon that serves, with the certificate of serial 1.
    pub(crate) async fn start() -> Result<Self> {
        let served = Self::waiting().await?;
        served.show(1).await?;
        Ok(served)
    }

    /// Puts a certificate, as its rotation would, and waits until it is shown.
    pub(crate) async fn show(&self, serial: u64) -> Result<()> {
        self.put(self.authority.issue(serial)?).await?;
        eventually(PATIENCE, "the certificate is shown", async || (self.serial().await.ok()? == serial).then_some(()))
            .await
    }

    pub(crate) async fn put(&self, fields: Value) -> Result<()> {
        let body = json!({ "value": fields, "kind": "certificate" });
        let path = format!("/secrets/{}/value", CERTIFICATE.replace('/', "%2F"));
        self.daemon.ask("PUT", &path, Some(&body)).await.map(drop)
    }

    pub(crate) async fn token(&self, read: &[&str]) -> Result<String> {
        let made = self.daemon.ask("POST", "/tokens", Some(&json!({ "read": read }))).await?;
        made["token"].as_str().map(str::to_owned).context("a token")
    }

    /// A connection that has shaken hands.
    pub(crate) async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        self.connect_by(rustls::ALL_VERSIONS).await
    }

    pub(crate) async fn connect_by(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(self.authority.config(versions)?);
        let stream = TcpStream::connect(self.address).await.context("connect")?;
        connector.connect(ServerName::try_from("localhost")?, stream).await.context("shake hands")
    }

    /// The serial that a new handshake is shown.
    pub(crate) async fn serial(&self) -> Result<u64> {
        serial_of(&self.connect().await?)
    }

    /// A client that trusts the authority of this test alone. `idle` connections are kept for the next request.
    pub(crate) fn client(&self, idle: usize) -> Result<reqwest::Client> {
        let roots = reqwest::Certificate::from_pem_bundle(self.authority.pem.as_bytes())?;
        let builder = reqwest::Client::builder().no_proxy().tls_certs_only(roots).pool_max_idle_per_host(idle);
        Ok(builder.timeout(Duration::from_secs(30)).build()?)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// Runs the command line as on another machine: without this daemon's folder.
    pub(crate) async fn far(&self, arguments: &[&str], env: &[(&str, &str)]) -> Result<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keywheel"));
        command.args(arguments).env_clear().envs(env.iter().copied()).stdin(Stdio::null());
        let output = tokio::time::timeout(PATIENCE, command.output()).await.context("the command ends")??;
        let text = |bytes| String::from_utf8(bytes).context("text");
        Ok(Output { status: output.status, stdout: text(output.stdout)?, stderr: text(output.stderr)? })
    }
}

/// The serial of the certificate that a connection was shown.
pub(crate) fn serial_of(stream: &TlsStream<TcpStream>) -> Result<u64> {
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).context("a certificate")?;
    // A version-3 certificate: SEQUENCE, SEQUENCE, [0] { INTEGER 2 }, then the serial as an INTEGER (RFC 5280, 4.1).
    let der: &[u8] = shown.as_ref();
    let at = der.windows(5).position(|window| window == [0xA0, 3, 2, 1, 2]).context("a version")? + 5;
    let (kind, length) = (der[at], usize::from(der[at + 1]));
    ensure!(kind == 2 && length <= 8, "a serial of {length} bytes");
    Ok(der[at + 2..at + 2 + length].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
