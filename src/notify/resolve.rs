//! From names to checked addresses.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
};

use super::address::{Forbidden, Policy};

/// A look-up under way.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// How names become addresses.
pub trait Resolve: Send + Sync {
    /// Looks a name up.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolved<'a>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolved<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    /// The look-up failed or found nothing; it may work later.
    #[error("the name cannot be resolved")]
    Failed(#[source] io::Error),
    /// An address is not reached. The engine tells the operator, who allows it or names another receiver.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
}

/// Resolves and judges: every address that was found may be reached, else none is.
pub(super) struct Guard {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) policy: Policy,
}

impl Guard {
    /// The addresses of a host, which may be an address itself.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let found = match bare.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => self.resolver.resolve(host).await.map_err(Unresolved::Failed)?,
        };
        if found.is_empty() {
            return Err(Unresolved::Failed(io::Error::new(io::ErrorKind::NotFound, "no address")));
        }
        found.iter().try_for_each(|address| self.policy.judge(*address))?;
        Ok(found)
    }
}

/// The guard as the HTTP client asks it, for each new connection. It is not asked for addresses in the URL itself.
pub(super) struct Guarded(pub(super) Arc<Guard>);

impl reqwest::dns::Resolve for Guarded {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let found = guard.addresses(name.as_str()).await?;
            let addresses: reqwest::dns::Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
