//! DNS records by dynamic updates (RFC 2136), signed (RFC 8945).
//!
//! An update adds one value, or takes away that value and no other. Over TCP, so that a missing answer is the server's.

use std::fmt;
use std::net::SocketAddr;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use keywheel_contract::SecretText;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::dns01::Records;
use crate::acme::dns::tsig::{Algorithm, Key, TsigError, sign, verified};
use crate::acme::dns::{Name, class, header, kind, over_tcp, question, random_id, record, zone_of};
use crate::acme::{AcmeError, Class, Whose};

const OPCODE_UPDATE: u16 = 5 << 11;
const TTL: u32 = 60;

/// Where and by which key records are updated.
#[derive(Debug, Clone)]
pub struct UpdateSettings {
    /// The zone's primary server.
    pub server: SocketAddr,
    /// The zone; the server is asked for it if it is not given.
    pub zone: Option<String>,
    /// The key's name.
    pub key_name: String,
    /// `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
    pub algorithm: String,
    /// The key in base64, as `tsig-keygen` and `keymgr` print it.
    pub secret: SecretText,
}

/// Sets records by signed updates.
pub struct Rfc2136 {
    server: SocketAddr,
    zone: Option<Name>,
    key: Key,
    // The time at a moment of the steady clock.
    now: (DateTime<Utc>, Instant),
}

impl fmt::Debug for Rfc2136 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rfc2136").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Rfc2136 {
    /// Reads the settings; `now` is the time that signatures begin to count from.
    pub fn new(settings: &UpdateSettings, now: DateTime<Utc>) -> Result<Self, AcmeError> {
        let algorithm = Algorithm::parse(&settings.algorithm).ok_or_else(|| {
            invalid("algorithm", format!("`{}` is not an algorithm that is spoken here", settings.algorithm))
        })?;
        let decoded = BASE64_STANDARD.decode(settings.secret.expose().trim());
        let secret = decoded.map_err(|_| invalid("secret", "the key is not base64".to_owned()))?;
        let name = |key: &str, text: &str| Name::parse(text).map_err(|error| invalid(key, error.to_string()));
        let zone = settings.zone.as_deref().map(|zone| name("zone", zone)).transpose()?;
        let key = Key { name: name("key_name", &settings.key_name)?, algorithm, secret: Zeroizing::new(secret) };
        Ok(Self { server: settings.server, zone, key, now: (now, Instant::now()) })
    }

    async fn update(&self, name: &str, value: &str, change: Change) -> Result<(), AcmeError> {
        let owner = Name::parse(name).map_err(|error| self.failed(name, error))?;
        let zone = match &self.zone {
            Some(zone) => zone.clone(),
            None => self.found_zone(name, &owner).await?,
        };
        let mut message = message(&zone, &owner, value, change);
        let mac = sign(&mut message, &self.key, self.time());
        let answer = over_tcp(self.server, &message).await.map_err(|error| self.failed(name, error))?;
        match verified(&answer, &self.key, &mac, self.time()) {
            Ok(answer) if answer.id == u16::from_be_bytes([message[0], message[1]]) && answer.code == 0 => Ok(()),
            Ok(answer) => Err(self.refused(name, answer.code)),
            Err(error @ TsigError::Refused(_)) => Err(invalid("secret", error.to_string())),
            Err(error) => Err(self.failed(name, error)),
        }
    }

    async fn found_zone(&self, name: &str, owner: &Name) -> Result<Name, AcmeError> {
        let found = zone_of(self.server, owner).await.map_err(|error| self.failed(name, error))?;
        found.ok_or_else(|| invalid("zone", format!("the DNS server {} serves no zone for `{name}`", self.server)))
    }

    fn time(&self) -> DateTime<Utc> {
        self.now.0 + self.now.1.elapsed()
    }

    fn failed(&self, name: &str, cause: impl fmt::Display) -> AcmeError {
        let sentence = format!("the update of `{name}` at {} failed: {cause}", self.server);
        AcmeError::local(
            "acme-dns-update-failed",
            sentence,
            "see whether the DNS server is up and takes updates over TCP",
        )
    }

    fn refused(&self, name: &str, code: u8) -> AcmeError {
        AcmeError::new(
            Class::Misconfigured { key: "target.acme.rfc2136".to_owned() },
            Whose::Ours,
            "acme-dns-update-refused",
            format!("the DNS server {} refuses to update `{name}` (code {code})", self.server),
            "let this key update TXT records below `_acme-challenge` in the zone",
        )
    }
}

#[async_trait]
impl Records for Rfc2136 {
    async fn add(&self, name: &str, value: &str) -> Result<(), AcmeError> {
        self.update(name, value, Change::Add).await
    }

    async fn remove(&self, name: &str, value: &str) -> Result<(), AcmeError> {
        self.update(name, value, Change::Remove).await
    }
}

#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
}

/// An update of one record (RFC 2136, sections 2.5.1 and 2.5.4).
fn message(zone: &Name, owner: &Name, value: &str, change: Change) -> Vec<u8> {
    let mut message = header(random_id(), OPCODE_UPDATE, [1, 0, 1, 0]);
    question(&mut message, zone, kind::SOA);
    // A proof has 43 letters.
    let text = [&[u8::try_from(value.len()).unwrap_or(u8::MAX)][..], value.as_bytes()].concat();
    let (class, ttl) = match change {
        Change::Add => (class::IN, TTL),
        Change::Remove => (class::NONE, 0),
    };
    record(&mut message, owner, kind::TXT, class, ttl, &text);
    message
}

fn invalid(key: &str, sentence: String) -> AcmeError {
    let key = format!("target.acme.rfc2136.{key}");
    AcmeError::misconfigured(&key, "acme-dns-update-invalid", sentence, "see the DNS server's key and zone")
}
