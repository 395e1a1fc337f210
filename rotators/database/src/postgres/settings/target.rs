//! A target: where its servers are, how they are reached, and which of them decide.

use std::{net::IpAddr, time::Duration};

use keywheel_contract::{Failure, Standing};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    read::{invalid, settings},
    span,
};
use crate::postgres::{
    quote,
    wire::{Address, client_config},
};

/// Whether the connection is encrypted and the server's certificate and name are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsMode {
    /// Both; the default, except on this host.
    VerifyFull,
    /// Neither; the default for loopback and unix sockets, elsewhere to be acknowledged.
    Off,
}

/// One server of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) standing: Standing,
    pub(crate) tls: TlsMode,
}

/// A target's settings. The first endpoint is where changes are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetSettings {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) database: String,
    pub(crate) ca: Option<String>,
    pub(crate) connect_timeout: Duration,
}

const KNOWN: [&str; 7] = ["host", "port", "hosts", "database", "tls", "ca", "connect_timeout"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    host: String,
    #[serde(default = "usual_port")]
    port: u16,
    #[serde(default)]
    hosts: Vec<RawHost>,
    #[serde(default = "usual_database")]
    database: String,
    tls: Option<TlsMode>,
    ca: Option<String>,
    connect_timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHost {
    host: String,
    #[serde(default = "usual_port")]
    port: u16,
    #[serde(default = "usual_standing")]
    standing: Standing,
}

fn usual_port() -> u16 {
    5432
}

fn usual_database() -> String {
    "postgres".to_owned()
}

fn usual_standing() -> Standing {
    Standing::Following
}

impl TargetSettings {
    /// Reads and checks a target's settings.
    pub(crate) fn read(value: &Value) -> Result<Self, Failure> {
        let raw: Raw = settings("target", value, &KNOWN)?;
        let mut endpoints = vec![endpoint("target.host", raw.host, raw.port, Standing::Deciding, raw.tls)?];
        for more in raw.hosts {
            endpoints.push(endpoint("target.hosts", more.host, more.port, more.standing, raw.tls)?);
        }
        if let Err(cause) = quote::check_name(&raw.database) {
            return Err(invalid("target.database", format!("`database` is {cause}"), "name a database of the server"));
        }
        let connect_timeout = match &raw.connect_timeout {
            None => Duration::from_secs(5),
            Some(text) => span::read(text)
                .filter(|span| (Duration::from_millis(100)..=Duration::from_mins(1)).contains(span))
                .ok_or_else(|| {
                    let sentence = format!("`connect_timeout` must be 100ms to 60s, found `{text}`");
                    invalid("target.connect_timeout", sentence, "write it like `5s`")
                })?,
        };
        if let Some(ca) = &raw.ca {
            client_config(Some(ca)).map_err(|cause| {
                invalid("target.ca", format!("`ca` is {cause}"), "give the authority's certificate in PEM form")
            })?;
        }
        Ok(Self { endpoints, database: raw.database, ca: raw.ca, connect_timeout })
    }

    /// The part that tells where credentials are sent.
    pub(crate) fn address_part(&self) -> Value {
        let endpoint = |e: &Endpoint| json!([e.host, e.port, e.tls == TlsMode::VerifyFull]);
        json!({ "endpoints": self.endpoints.iter().map(endpoint).collect::<Vec<_>>(), "ca": self.ca })
    }

    /// The address of an endpoint, with its TLS settings made.
    pub(crate) fn address(&self, endpoint: &Endpoint) -> Result<Address, Failure> {
        let tls =
            match endpoint.tls {
                TlsMode::Off => None,
                TlsMode::VerifyFull => Some(client_config(self.ca.as_deref()).map_err(|cause| {
                    invalid("target.ca", format!("`ca` is {cause}"), "give a certificate in PEM form")
                })?),
            };
        Ok(Address { host: endpoint.host.clone(), port: endpoint.port, tls, local: endpoint.is_local() })
    }
}

impl Endpoint {
    /// The endpoint as messages name it.
    pub(crate) fn name(&self) -> String {
        if self.host.contains(':') {
            return format!("[{}]:{}", self.host, self.port);
        }
        format!("{}:{}", self.host, self.port)
    }

    /// Whether what is sent stays on this host.
    pub(crate) fn is_local(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host.starts_with('/') || self.host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
    }
}

fn endpoint(key: &str, host: String, port: u16, standing: Standing, tls: Option<TlsMode>) -> Result<Endpoint, Failure> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "/@?,[]".contains(c);
    let is_socket = host.starts_with('/') && !host.contains('\0');
    if host.is_empty() || (!is_socket && (host.contains("://") || host.contains(odd))) {
        let hint = "give a host's name or address alone, such as `db.example.com`, or the folder of a unix socket";
        return Err(invalid(key, format!("`{}` is not a host", host.escape_debug()), hint));
    }
    let mut endpoint = Endpoint { host, port, standing, tls: TlsMode::Off };
    endpoint.tls = tls.unwrap_or(if endpoint.is_local() { TlsMode::Off } else { TlsMode::VerifyFull });
    if endpoint.host.starts_with('/') {
        endpoint.tls = TlsMode::Off;
    }
    if endpoint.tls == TlsMode::VerifyFull && ServerName::try_from(endpoint.host.as_str()).is_err() {
        let sentence = format!("`{}` cannot stand in a certificate", endpoint.host.escape_debug());
        return Err(invalid(key, sentence, "give a DNS name or an IP address"));
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use keywheel_contract::Decision;

    use super::*;

    fn read(value: &Value) -> Result<TargetSettings, Failure> {
        TargetSettings::read(value)
    }

    #[test]
    fn tls_is_on_unless_the_server_is_on_this_host() {
        for (host, mode) in [
            ("db.example.com", TlsMode::VerifyFull),
            ("10.0.0.1", TlsMode::VerifyFull),
            ("127.0.0.9", TlsMode::Off),
            ("::1", TlsMode::Off),
            ("localhost", TlsMode::Off),
            ("/run/postgresql", TlsMode::Off),
        ] {
            assert_eq!(read(&json!({ "host": host })).expect("valid").endpoints[0].tls, mode, "{host}");
        }
    }

    #[test]
    fn a_wrong_setting_is_refused_with_its_key() {
        for (settings, key) in [
            (json!([]), "target"),
            (json!({}), "target"),
            (json!({ "host": "h", "hsots": [] }), "target.hsots"),
            (json!({ "host": "postgres://u:p@h/db" }), "target.host"),
            (json!({ "host": "" }), "target.host"),
            (json!({ "host": "a b" }), "target.host"),
            (json!({ "host": "h", "hosts": [{ "host": "x/y" }] }), "target.hosts"),
            (json!({ "host": "h", "port": 70000 }), "target"),
            (json!({ "host": "h", "tls": "prefer" }), "target"),
            (json!({ "host": "h", "ca": "x" }), "target.ca"),
            (json!({ "host": "h", "database": "" }), "target.database"),
            (json!({ "host": "h", "connect_timeout": "1h" }), "target.connect_timeout"),
        ] {
            let failure = read(&settings).expect_err("refused");
            assert_eq!(failure.decision, Decision::Misconfigured { key: key.to_owned() }, "{settings}");
            assert!(!failure.hint.is_empty());
        }
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_nearest() {
        let failure = read(&json!({ "host": "h", "hsots": [] })).expect_err("refused");
        assert!(failure.hint.contains("`hosts`"), "{}", failure.hint);
    }

    #[test]
    fn the_address_changes_with_host_port_and_tls_and_not_with_the_database() {
        let part = |value: &Value| read(value).expect("valid").address_part();
        let base = part(&json!({ "host": "127.0.0.1" }));
        assert_eq!(base, part(&json!({ "host": "127.0.0.1", "database": "other" })));
        for other in [
            json!({ "host": "127.0.0.2" }),
            json!({ "host": "127.0.0.1", "port": 1 }),
            json!({ "host": "127.0.0.1", "tls": "verify-full" }),
            json!({ "host": "127.0.0.1", "hosts": [{ "host": "127.0.0.3" }] }),
        ] {
            assert_ne!(base, part(&other), "{other}");
        }
    }
}
