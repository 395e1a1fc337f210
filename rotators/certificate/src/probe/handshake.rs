//! One handshake at every address of a host, all at the same time.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use ring::digest;
use rustls::{ClientConfig, client::Resumption, crypto::ring::default_provider};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{ProbeAddress, ProbeError, record::Recorder, starttls};

/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 32;

/// What a server presented, having proven that it holds the leaf's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The leaf.
    pub leaf_der: Vec<u8>,
    /// What came after it, in the server's order.
    pub chain_der: Vec<Vec<u8>>,
}

impl Presented {
    /// The leaf's SHA-256, in lower-case hexadecimal digits.
    pub fn leaf_sha256(&self) -> String {
        use std::fmt::Write;
        let digest = digest::digest(&digest::SHA256, &self.leaf_der);
        digest.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// What was seen at one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The endpoint: the address as it was written and, where a name has several, the one that was tried.
    pub endpoint: String,
    /// What it presented, or why that is not known.
    pub seen: Result<Presented, ProbeError>,
}

/// Looks at every address of the host, over a fresh connection each, within the deadline. Never empty.
pub async fn handshake(address: &ProbeAddress, deadline: Duration) -> Vec<Sighting> {
    let now = Instant::now();
    // An absurd deadline is as good as a day.
    let until = now.checked_add(deadline).unwrap_or(now + Duration::from_hours(24));
    let sockets = match resolve(address, until).await {
        Ok(sockets) => sockets,
        Err(error) => return vec![Sighting { endpoint: address.name(), seen: Err(error) }],
    };
    let is_one = sockets.len() == 1;
    let looks = sockets.into_iter().map(|socket| async move {
        let endpoint = if is_one { address.name() } else { format!("{} at {}", address.name(), socket.ip()) };
        Sighting { endpoint, seen: look(address, socket, until).await }
    });
    let mut sightings: Vec<Sighting> = join_all(looks).await;
    leave_out_unroutable(&mut sightings);
    sightings
}

/// A host without IPv6 cannot look at the IPv6 addresses of a name, and never will. They are left out where another
/// address of the name can be looked at.
fn leave_out_unroutable(sightings: &mut Vec<Sighting>) {
    let is_routable = |sighting: &Sighting| sighting.seen != Err(ProbeError::NoRoute);
    if sightings.iter().any(is_routable) {
        sightings.retain(is_routable);
    }
}

async fn resolve(address: &ProbeAddress, until: Instant) -> Result<Vec<SocketAddr>, ProbeError> {
    let found = timeout_at(until, lookup_host((address.host.as_str(), address.port))).await;
    let found = found.map_err(|_| ProbeError::TimedOut { during: "while the name was looked up" })?;
    let mut sockets: Vec<SocketAddr> =
        found.map_err(|cause| ProbeError::NoAddress(cause.to_string()))?.take(MOST_ADDRESSES).collect();
    sockets.sort_unstable();
    sockets.dedup();
    if sockets.is_empty() {
        return Err(ProbeError::NoAddress("the answer is empty".to_owned()));
    }
    Ok(sockets)
}

async fn look(address: &ProbeAddress, socket: SocketAddr, until: Instant) -> Result<Presented, ProbeError> {
    let connected = timeout_at(until, TcpStream::connect(socket)).await;
    let mut stream = connected
        .map_err(|_| ProbeError::TimedOut { during: "while connecting" })?
        .map_err(|cause| of_connect(socket, &cause))?;
    if let Some(protocol) = address.starttls {
        let started = timeout_at(until, starttls::start(protocol, &mut stream)).await;
        started.map_err(|_| ProbeError::TimedOut { during: "before TLS began" })??;
    }
    let provider = default_provider();
    let recorder = Arc::new(Recorder::new(provider.signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<_>)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let connecting = TlsConnector::from(Arc::new(config)).connect(address.server_name.clone(), stream);
    let ended = timeout_at(until, connecting).await;
    // A server that asks for a certificate of ours has shown and proven its own before it says no.
    if let Some(presented) = recorder.take() {
        return Ok(presented);
    }
    match ended {
        Err(_) => Err(ProbeError::TimedOut { during: "during the handshake" }),
        Ok(Err(cause)) => Err(of_tls(&cause)),
        Ok(Ok(_)) => Err(ProbeError::Tls("no certificate was presented".to_owned())),
    }
}

fn of_connect(socket: SocketAddr, cause: &io::Error) -> ProbeError {
    match cause.kind() {
        io::ErrorKind::NetworkUnreachable => ProbeError::NoRoute,
        // For IPv4 this says that no local port is left.
        io::ErrorKind::AddrNotAvailable if socket.is_ipv6() => ProbeError::NoRoute,
        _ => ProbeError::NotConnected(cause.to_string()),
    }
}

fn of_tls(cause: &io::Error) -> ProbeError {
    let inner = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => ProbeError::OtherProtocol { expected: "TLS" },
        Some(error) => ProbeError::Tls(error.to_string()),
        None => ProbeError::of_io("during the handshake", cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_a_way_are_left_out_unless_all_are() {
        let sighting = |seen| Sighting { endpoint: "e".to_owned(), seen: Err(seen) };
        let mut some = vec![sighting(ProbeError::NoRoute), sighting(ProbeError::Injected)];
        leave_out_unroutable(&mut some);
        assert_eq!(some, [sighting(ProbeError::Injected)]);
        let mut all = vec![sighting(ProbeError::NoRoute); 2];
        leave_out_unroutable(&mut all);
        assert_eq!(all.len(), 2);
    }
}
