//! Syslog by RFC 5424 over TCP with octet counting (RFC 6587, 3.4.1), with TLS (RFC 5425) unless it is switched off.
//!
//! The protocol has no answer. A connection is made for each message and ended by us; a collector that then ends it too
//! has read everything, and one that breaks it off may have read nothing. The name of the structured data carries no
//! enterprise number, as keywheel has none; collectors take it as it is.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chrono::SecondsFormat;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    Channel, Checked, Limits, Message, NotifyError, Outcome, Sending, Severity, State, address::Purpose, settings,
    text::cut, tls, view, wire::Wire,
};

const KIND: &str = "syslog";
/// The longest message, which the usual collectors take.
const MAX_FRAME: usize = 8 << 10;
/// Log audit, of the facilities of RFC 5424.
const FACILITY: u8 = 13;
/// How long a collector is given to end the connection.
const GOODBYE: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    host: String,
    port: Option<u16>,
    tls: Option<bool>,
    ca_pem: Option<String>,
    facility: Option<u8>,
}

pub(super) fn check(settings: &Value) -> Result<Checked, NotifyError> {
    check_as(KIND, settings)
}

pub(super) fn open(settings: &Value, limits: &Limits) -> Result<Box<dyn Channel>, NotifyError> {
    Ok(Box::new(Syslog { collector: Collector::open(KIND, settings, limits)? }))
}

/// Checks the settings of any kind that speaks syslog.
pub(super) fn check_as(kind: &'static str, settings: &Value) -> Result<Checked, NotifyError> {
    let settings: Settings = settings::read(kind, settings)?;
    let wrong = |key, sentence: &str, hint: &str| {
        Err(NotifyError::Value { kind, key, sentence: sentence.to_owned(), hint: hint.to_owned() })
    };
    if ServerName::try_from(settings.host.as_str()).is_err() {
        return wrong(
            "host",
            "is not the name or address of a host",
            "write it like `logs.example.org`, the port apart",
        );
    }
    if settings.port == Some(0) {
        return wrong("port", "is 0", "leave it out for the usual one");
    }
    if settings.facility.is_some_and(|facility| facility > 23) {
        return wrong("facility", "is above 23", "13 is log audit, 16 to 23 are local0 to local7");
    }
    tls::check(kind, settings.ca_pem.as_deref())?;
    let mut checked = Checked::default();
    if !has_tls(&settings) && !is_loopback(&settings.host) {
        checked.notes.push("messages travel in the clear; `tls = true` encrypts them".to_owned());
    }
    Ok(checked)
}

fn has_tls(settings: &Settings) -> bool {
    settings.tls.unwrap_or_else(|| !is_loopback(&settings.host))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A collector of logs.
pub(super) struct Collector {
    wire: Wire,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    facility: u8,
    hostname: String,
}

impl Collector {
    pub(super) fn open(kind: &'static str, settings: &Value, limits: &Limits) -> Result<Self, NotifyError> {
        let settings: Settings = settings::read(kind, settings)?;
        let tls = if has_tls(&settings) {
            let name = ServerName::try_from(settings.host.clone()).expect("the host was checked");
            let config = tls::client_config(kind, settings.ca_pem.as_deref())?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        let port = settings.port.unwrap_or(if tls.is_some() { 6514 } else { 601 });
        let wire = Wire::new(&settings.host, port, Purpose::Relay, limits);
        let facility = settings.facility.unwrap_or(FACILITY);
        Ok(Self { wire, tls, facility, hostname: limits.hostname.clone() })
    }

    /// Sends one message, which is built around the given text.
    pub(super) async fn tell(&self, message: &Message, text: &str, deadline: Duration) -> Outcome {
        let frame = self.frame(message, text);
        let until = Instant::now() + deadline;
        let late = |what: &str| format!("`{}` {what} within {deadline:?}", self.wire.host());
        let stream = match timeout_at(until, self.wire.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(outcome)) => return outcome,
            Err(_) => {
                return Outcome::again("connect-time-limit", late("did not accept a connection"), "see that it runs");
            }
        };
        let Some((connector, name)) = &self.tls else { return self.hand_over(stream, &frame, until).await };
        match timeout_at(until, connector.connect(name.clone(), stream)).await {
            Ok(Ok(stream)) => self.hand_over(stream, &frame, until).await,
            Ok(Err(error)) => {
                let sentence = format!("`{}` and keywheel do not agree on TLS: {error}", self.wire.host());
                Outcome::again("tls-failed", sentence, "see its certificate, and give its authority by `ca_pem`")
            }
            Err(_) => {
                Outcome::again("tls-time-limit", late("did not finish TLS"), "see that it speaks TLS on this port")
            }
        }
    }

    async fn hand_over(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        frame: &[u8],
        until: Instant,
    ) -> Outcome {
        let lost = |what: String| Outcome::unknown("syslog-broken-off", format!("`{}` {what}", self.wire.host()));
        let written = async {
            stream.write_all(frame).await?;
            stream.flush().await?;
            stream.shutdown().await
        };
        match timeout_at(until, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return lost(format!("broke the connection off: {error}")),
            Err(_) => return lost("did not take the message in time".to_owned()),
        }
        let mut rest = [0; 256];
        let goodbye = async {
            // A collector that talks is let talk, a little.
            for _ in 0..16 {
                if stream.read(&mut rest).await? == 0 {
                    break;
                }
            }
            std::io::Result::Ok(())
        };
        let bytes = frame.len();
        match timeout_at(until.min(Instant::now() + GOODBYE), goodbye).await {
            Err(_) => Outcome::Delivered {
                answer: format!("{bytes} bytes were sent; the collector keeps the connection open"),
            },
            // A missing close_notify is a common discourtesy.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Outcome::Delivered { answer: format!("{bytes} bytes were read") }
            }
            Ok(Err(error)) => lost(format!("broke the connection off: {error}")),
            Ok(Ok(())) => Outcome::Delivered { answer: format!("{bytes} bytes were read") },
        }
    }

    /// The message with its length in front.
    fn frame(&self, message: &Message, text: &str) -> Vec<u8> {
        let priority = self.facility * 8 + severity(message);
        let time = message.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let head = format!(
            "<{priority}>1 {time} {} keywheel - {} {}",
            header_field(&self.hostname, 255),
            header_field(&message.kind, 32),
            structured(message),
        );
        // RFC 5424, 6.4: text that is not ASCII begins with a mark of its encoding.
        let mark = if text.is_ascii() { "" } else { "\u{feff}" };
        let line = format!("{head} {mark}{}", cut(text, MAX_FRAME.saturating_sub(head.len() + 4)));
        format!("{} {line}", line.len()).into_bytes()
    }
}

/// The severity of RFC 5424.
fn severity(message: &Message) -> u8 {
    match (message.state, message.severity) {
        (State::Resolved, _) => 5,
        (State::Open, Severity::Info) => 6,
        (State::Open, Severity::Warning) => 4,
        (State::Open, Severity::Error) => 3,
        (State::Open, Severity::Critical) => 2,
    }
}

/// A field of the header: printable ASCII without blanks, or nothing.
fn header_field(text: &str, most: usize) -> String {
    let kept: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if kept.is_empty() { "-".to_owned() } else { kept }
}

fn structured(message: &Message) -> String {
    let expires_at = message.expires_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default();
    let parameters = [
        ("id", message.id.as_str()),
        ("event", &message.event_id),
        ("thread", &message.thread),
        ("state", message.state.word()),
        ("severity", message.severity.word()),
        ("tenant", &message.tenant),
        ("subject", &message.subject),
        ("owner", &message.owner),
        ("expires", &expires_at),
        ("link", message.link.as_deref().unwrap_or_default()),
    ];
    let told = parameters.iter().filter(|(_, value)| !value.is_empty());
    let told: Vec<String> = told.map(|(name, value)| format!(" {name}=\"{}\"", parameter(value))).collect();
    format!("[keywheel{}]", told.concat())
}

/// RFC 5424, 6.3.3: three characters are escaped.
fn parameter(text: &str) -> String {
    cut(text, 500).replace('\\', r"\\").replace('"', "\\\"").replace(']', r"\]")
}

/// Everything worth reading, on one line.
fn told(message: &Message) -> String {
    let asked = [("keywheel does", &message.will_do), ("asked of you", &message.asked)];
    let asked = asked.into_iter().filter(|(_, value)| !value.is_empty());
    let asked = asked.map(|(label, value)| format!("{label}: {value}"));
    let detail = message.detail.iter().map(|(label, value)| format!("{label}: {value}"));
    let all = std::iter::once(view::heading(message)).chain(asked).chain(detail);
    all.chain(message.items.iter().map(view::item)).collect::<Vec<_>>().join(" | ")
}

struct Syslog {
    collector: Collector,
}

impl Channel for Syslog {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn send<'a>(&'a self, message: &'a Message, deadline: Duration) -> Sending<'a> {
        Box::pin(async move {
            let text = told(message);
            self.collector.tell(message, &text, deadline).await
        })
    }
}
