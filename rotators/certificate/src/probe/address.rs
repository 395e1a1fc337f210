//! Where to look: a host, a port, the name to ask for, and how TLS begins there.

use std::net::{IpAddr, Ipv6Addr};

use rustls::pki_types::ServerName;
use serde::Deserialize;

use super::ProbeError;

/// A protocol in which TLS begins on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartTls {
    /// RFC 3207.
    Smtp,
    /// RFC 9051, section 6.2.1.
    Imap,
    /// PostgreSQL's `SSLRequest`.
    Postgres,
}

/// One address to probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAddress {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) server_name: ServerName<'static>,
    pub(super) starttls: Option<StartTls>,
}

impl ProbeAddress {
    /// Reads `host:port`, an IPv6 address in brackets. `server_name` is sent as SNI; without it the host is, if it is
    /// a name.
    pub fn parse(address: &str, server_name: Option<&str>, starttls: Option<StartTls>) -> Result<Self, ProbeError> {
        let bad = |text: &str, because| ProbeError::BadAddress {
            text: text.chars().take(80).flat_map(char::escape_debug).collect(),
            because,
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(|| bad(address, "it has no port"))?;
        let port: u16 =
            port.parse().ok().filter(|port| *port > 0).ok_or_else(|| bad(address, "the port is not 1 to 65535"))?;
        let host = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => inner
                .parse::<Ipv6Addr>()
                .map(|ip| ip.to_string())
                .map_err(|_| bad(address, "what stands in brackets is not an IPv6 address"))?,
            None if host.contains(':') => return Err(bad(address, "an IPv6 address stands in brackets")),
            None => host.to_owned(),
        };
        let name = server_name.unwrap_or(&host);
        let server_name = ServerName::try_from(name.to_owned())
            .map_err(|_| bad(name, "it is neither the name of a host nor an IP address"))?;
        if ServerName::try_from(host.as_str()).is_err() {
            return Err(bad(address, "it is neither the name of a host nor an IP address"));
        }
        Ok(Self { host, port, server_name, starttls })
    }

    /// The address as it was written, for messages.
    pub fn name(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_with_a_port_are_read() {
        for (text, name) in [
            ("shop.example.org:443", "shop.example.org:443"),
            ("10.0.0.1:25", "10.0.0.1:25"),
            ("[::1]:443", "[::1]:443"),
            ("localhost:1", "localhost:1"),
        ] {
            assert_eq!(ProbeAddress::parse(text, None, None).expect("read").name(), name);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "shop", "shop:", "shop:0", "shop:70000", "::1:443", "[::1", "[shop]:1", "a b:1", "u@h:1", ":1"]
        {
            assert!(matches!(ProbeAddress::parse(text, None, None), Err(ProbeError::BadAddress { .. })), "{text}");
        }
        assert!(ProbeAddress::parse("a:1", Some("not a name"), None).is_err());
    }

    #[test]
    fn the_name_to_ask_for_is_the_given_one_or_the_host() {
        let asked = |address: &str, name| ProbeAddress::parse(address, name, None).expect("read").server_name;
        assert_eq!(asked("10.0.0.1:1", Some("shop.test")).to_str(), "shop.test");
        assert_eq!(asked("shop.test:1", None).to_str(), "shop.test");
        assert!(matches!(asked("10.0.0.1:1", None), ServerName::IpAddress(_)));
    }
}
