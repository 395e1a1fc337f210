//! What is asked: addresses of a host, texts of a name, the zone that a name is in.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::lookup_host;

use super::ask::{AskError, records};
use super::message::{Name, kind, txt};

/// The addresses of a host, by the given server or else by the system; a literal address is itself.
pub(crate) async fn addresses_of(host: &str, port: u16, server: Option<SocketAddr>) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found: Vec<SocketAddr> = match server {
        None => lookup_host((host, port)).await?.collect(),
        Some(server) => {
            let found = asked(server, host).await.map_err(io::Error::other)?;
            found.into_iter().map(|address| SocketAddr::new(address, port)).collect()
        }
    };
    let nowhere = || io::Error::new(io::ErrorKind::NotFound, format!("`{host}` has no address"));
    if found.is_empty() { Err(nowhere()) } else { Ok(found) }
}

async fn asked(server: SocketAddr, host: &str) -> Result<Vec<IpAddr>, AskError> {
    let name = Name::parse(host)?;
    let mut found = Vec::new();
    for wanted in [kind::A, kind::AAAA] {
        let answer = records(server, &name, wanted).await?;
        // Of aliases, the whole way to the address stands in the answer of a server that recurses.
        found.extend(answer.records.iter().filter(|record| record.kind == wanted).filter_map(|record| {
            let bytes = record.bytes.as_slice();
            let four = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::from(Ipv4Addr::from(bytes)));
            four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::from(Ipv6Addr::from(bytes)))).ok()
        }));
    }
    Ok(found)
}

/// The texts that a server has for a name.
pub(crate) async fn texts(server: SocketAddr, name: &Name) -> Result<Vec<Vec<u8>>, AskError> {
    let answer = records(server, name, kind::TXT).await?;
    Ok(answer.records.iter().filter(|record| record.kind == kind::TXT).map(|record| txt(&record.bytes)).collect())
}

/// The zone that a name is in, as the server tells it.
pub(crate) async fn zone_of(server: SocketAddr, name: &Name) -> Result<Option<Name>, AskError> {
    let mut candidate = Some(name.clone());
    while let Some(asked) = candidate.filter(|name| !name.is_root()) {
        let answer = records(server, &asked, kind::SOA).await?;
        if let Some(start) = answer.records.into_iter().find(|record| record.kind == kind::SOA) {
            return Ok(Some(start.name).filter(|zone| !zone.is_root()));
        }
        candidate = asked.parent();
    }
    Ok(None)
}
