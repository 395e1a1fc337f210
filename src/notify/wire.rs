//! A TCP connection to a checked address, for mail relays and collectors of logs.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::net::TcpStream;

use super::{
    Cidr, Limits, Outcome,
    address::{Policy, Purpose},
    resolve::{Guard, Unresolved},
};

/// Where to connect, and under which policy.
pub(super) struct Wire {
    host: String,
    port: u16,
    guard: Guard,
}

impl Wire {
    /// A way to a host that was checked when it was configured.
    pub(super) fn new(host: &str, port: u16, purpose: Purpose, limits: &Limits) -> Self {
        let mut allow = limits.allow.clone();
        if purpose == Purpose::PlainWeb {
            allow.extend(["127.0.0.0/8", "::1/128"].map(|network| network.parse::<Cidr>().expect("a network")));
        }
        let guard = Guard { resolver: Arc::clone(&limits.resolver), policy: Policy { purpose, allow } };
        Self { host: host.to_owned(), port, guard }
    }

    /// The host, as certificates name it.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Connects to the first of the checked addresses that answers. An error means that nothing was sent.
    pub(super) async fn connect(&self) -> Result<TcpStream, Outcome> {
        let found = self.guard.addresses(&self.host).await.map_err(|error| unresolved(&self.host, &error))?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in found {
            match TcpStream::connect(SocketAddr::new(address, self.port)).await {
                Ok(stream) => {
                    // Without it, small commands wait for each other; the connection works either way.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        let sentence = format!("`{}` port {} cannot be reached: {last}", self.host, self.port);
        Err(Outcome::again("connect-failed", sentence, "see that it runs and that no firewall is between"))
    }
}

/// How an attempt ends whose name leads nowhere.
pub(super) fn unresolved(host: &str, error: &Unresolved) -> Outcome {
    match error {
        Unresolved::Failed(cause) => {
            let sentence = format!("`{host}` cannot be resolved: {cause}");
            Outcome::again("resolve-failed", sentence, "see the spelling of the host, and its name server")
        }
        Unresolved::Forbidden(forbidden) => {
            let sentence = format!("`{host}` is not reached, as {} {}", forbidden.address, as_clause(forbidden.kind));
            Outcome::refused("address-forbidden", sentence, forbidden.hint())
        }
    }
}

fn as_clause(kind: &str) -> String {
    kind.strip_prefix("it ").map_or_else(|| format!("is forbidden: {kind}"), str::to_owned)
}
