//! The guarded HTTP client: checked addresses, no redirects, no proxy, bounded time and answers.
//!
//! One client for each channel, whose connections stay open between sends. The address is checked when a connection is
//! made, by the resolver that the client asks; an address that stands in the URL itself is checked before each send,
//! since no resolver is asked for it.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{
    Response, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy as Redirects,
};
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;

use super::{
    Cidr, Limits, NotifyError, Outcome,
    address::{Forbidden, Policy, Purpose},
    answer::{Answer, retry_after},
    resolve::{Guard, Guarded, Unresolved},
    text::causes,
    tls,
    wire::unresolved,
};

/// The most of an answer that is read.
const MOST_ANSWER: usize = 64 << 10;
/// The most of an answer that is kept.
const MOST_KEPT: usize = 2 << 10;
/// The longest that a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection stays open without use.
const IDLE: Duration = Duration::from_mins(1);

/// What a client is opened with.
pub(super) struct Opening<'a> {
    pub(super) kind: &'static str,
    /// The setting that holds the address.
    pub(super) key: &'static str,
    pub(super) url: &'a str,
    pub(super) ca_pem: Option<&'a str>,
    /// Networks that the settings name.
    pub(super) allow: &'a [Cidr],
}

/// A client for one address.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    guard: Arc<Guard>,
    clock: Arc<dyn Clock>,
}

/// Checks an address without repeating it, as it may hold a secret.
pub(super) fn check_url(kind: &'static str, key: &'static str, text: &str) -> Result<Url, NotifyError> {
    let wrong = |sentence: &str, hint: &str| NotifyError::Value {
        kind,
        key,
        sentence: sentence.to_owned(),
        hint: hint.to_owned(),
    };
    let example = "write it like `https://hooks.example.org/path`";
    let url = Url::parse(text).map_err(|_| wrong("is not a web address", example))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("is not a web address", example));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "holds a user or password",
            "take it out; name a secret by `bearer_secret`, or use `url_secret`",
        ));
    }
    let is_local = match url.host_str() {
        Some(host) => {
            host.trim_matches(['[', ']']).parse().map_or(true, |address: std::net::IpAddr| address.is_loopback())
        }
        None => false,
    };
    if url.scheme() == "http" && !is_local {
        return Err(wrong("is not encrypted", "write `https`; in the clear the loopback alone is reached"));
    }
    Ok(url)
}

impl Client {
    /// Makes a client. Nothing is connected.
    pub(super) fn open(opening: &Opening<'_>, limits: &Limits) -> Result<Self, NotifyError> {
        let mut url = check_url(opening.kind, opening.key, opening.url)?;
        url.set_fragment(None);
        let purpose = if url.scheme() == "https" { Purpose::Web } else { Purpose::PlainWeb };
        let allow = allowed(opening, limits)?;
        let guard = Arc::new(Guard { resolver: Arc::clone(&limits.resolver), policy: Policy { purpose, allow } });
        let mut config = tls::client_config(opening.kind, opening.ca_pem)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .dns_resolver(Guarded(Arc::clone(&guard)))
            .redirect(Redirects::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("keywheel/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| NotifyError::Trust { sentence: error.without_url().to_string() })?;
        Ok(Self { http, url, guard, clock: Arc::clone(&limits.clock) })
    }

    /// The time, for stamps.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Sends a body once and says how that ended.
    pub(super) async fn post(
        &self,
        content_type: &'static str,
        headers: HeaderMap,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Outcome {
        match self.ask(content_type, headers, body, deadline).await {
            Ok(answer) => answer.outcome(),
            Err(outcome) => outcome,
        }
    }

    /// Sends a body once; the answer is for the caller to judge, everything else is judged.
    pub(super) async fn ask(
        &self,
        content_type: &'static str,
        mut headers: HeaderMap,
        body: Vec<u8>,
        deadline: Duration,
    ) -> Result<Answer, Outcome> {
        let until = Instant::now() + deadline;
        self.judge_literal().map_err(|forbidden| unresolved(self.host(), &Unresolved::Forbidden(forbidden)))?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let sent = self.http.post(self.url.clone()).headers(headers).body(body).send();
        match timeout_at(until, sent).await {
            Ok(Ok(response)) => Ok(self.read(response, until).await),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(Outcome::unknown(
                "http-time-limit",
                format!("`{}` did not answer within {deadline:?}", self.host()),
            )),
        }
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    fn judge_literal(&self) -> Result<(), Forbidden> {
        let host = self.host().trim_matches(['[', ']']);
        host.parse().map_or(Ok(()), |address| self.guard.policy.judge(address))
    }

    /// Reads a bounded part of the body. The head decides; a body that breaks off or never ends is only noted.
    async fn read(&self, mut response: Response, until: Instant) -> Answer {
        let status = response.status();
        let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let not_before = asked.and_then(|text| retry_after(text, self.clock.now()));
        let mut body = Vec::new();
        let mut read = 0;
        let note = loop {
            match timeout_at(until, response.chunk()).await {
                Err(_) => break Some("its answer did not end in time"),
                Ok(Err(_)) => break Some("its answer broke off"),
                Ok(Ok(None)) => break None,
                Ok(Ok(Some(chunk))) => {
                    read += chunk.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(MOST_KEPT - body.len())]);
                }
            }
            if read > MOST_ANSWER {
                break Some("its answer is too long and was not read to its end");
            }
        };
        Answer { status, not_before, body: String::from_utf8_lossy(&body).into_owned(), note }
    }

    fn failed(&self, error: reqwest::Error) -> Outcome {
        let error = error.without_url();
        if let Some(found) = cause::<Unresolved>(&error) {
            return unresolved(self.host(), found);
        }
        let sentence = format!("`{}`: {}", self.host(), causes(&error));
        if error.is_connect() {
            return Outcome::again(
                "connect-failed",
                sentence,
                "see that it runs, and that its certificate is trusted here",
            );
        }
        Outcome::unknown("http-broken-off", sentence)
    }
}

/// The networks that this client may reach: those of the configuration, and of the settings' what it permits.
fn allowed(opening: &Opening<'_>, limits: &Limits) -> Result<Vec<Cidr>, NotifyError> {
    let is_permitted =
        |network: &&Cidr| limits.allow.iter().chain(&limits.may_allow).any(|known| known.covers(network));
    if let Some(odd) = opening.allow.iter().find(|network| !is_permitted(network)) {
        return Err(NotifyError::Value {
            kind: opening.kind,
            key: "allow",
            sentence: format!("names {odd}, which the configuration does not permit"),
            hint: format!("let the operator of the host add \"{odd}\" to `may_allow` of `[notify]`"),
        });
    }
    Ok(limits.allow.iter().chain(opening.allow).copied().collect())
}

/// The first cause of a type.
fn cause<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
