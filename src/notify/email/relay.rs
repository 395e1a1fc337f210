//! One conversation with a relay, step by step, so that each way to fail is told apart.

use std::{
    error::Error as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials as Login, Mechanism},
        client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
        response::Response,
    },
};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::TlsConnector;

use crate::notify::{
    Credentials, Limits, NotifyError, Outcome,
    address::Purpose,
    settings::credential,
    text::{causes, line},
    tls,
    wire::Wire,
};

use super::{
    lines::Lines,
    settings::{Encryption, KIND, Settings, wrong},
};

/// How long a connection is kept without use; relays usually wait five minutes.
const IDLE: Duration = Duration::from_secs(30);
/// Connections that are kept.
const KEPT: usize = 2;

enum Security {
    None,
    Starttls(TlsParameters),
    Implicit(TlsConnector, ServerName<'static>),
}

/// A relay.
pub(super) struct Relay {
    wire: Wire,
    security: Security,
    login: Option<Login>,
    hello: ClientId,
    idle: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
}

/// What a relay said to each recipient.
#[derive(Default)]
pub(super) struct Verdicts {
    pub(super) accepted: Vec<Address>,
    /// Not now: address and answer.
    pub(super) later: Vec<(Address, String)>,
    /// Not at all: address and answer.
    pub(super) refused: Vec<(Address, String)>,
}

/// What is handed over.
pub(super) struct Handover<'a> {
    pub(super) sender: &'a Address,
    pub(super) recipients: &'a [Address],
    pub(super) mail: &'a [u8],
    /// Whether the mail is on its way: from then on a lost answer is unknown.
    pub(super) is_sending: &'a AtomicBool,
}

impl Relay {
    pub(super) fn open(settings: &Settings, credentials: &Credentials, limits: &Limits) -> Result<Self, NotifyError> {
        let purpose = if settings.tls == Encryption::None { Purpose::PlainWeb } else { Purpose::Relay };
        Ok(Self {
            wire: Wire::new(&settings.host, settings.port(), purpose, limits),
            security: security(settings)?,
            login: login(settings, credentials)?,
            hello: ClientId::default(),
            idle: Mutex::default(),
        })
    }

    /// Hands a mail over; without an answer if no recipient was accepted. An error is how the attempt ended.
    pub(super) async fn hand_over(&self, handover: &Handover<'_>) -> Result<(Option<Response>, Verdicts), Outcome> {
        let mut connection = self.begun(handover.sender).await?;
        let mut verdicts = Verdicts::default();
        for recipient in handover.recipients {
            match connection.command(Rcpt::new(recipient.clone(), Vec::new())).await {
                Ok(_) => verdicts.accepted.push(recipient.clone()),
                Err(error) if error.is_transient() => verdicts.later.push((recipient.clone(), told(&error))),
                Err(error) if error.is_permanent() => verdicts.refused.push((recipient.clone(), told(&error))),
                Err(error) => return Err(self.broken_off("RCPT", &error)),
            }
        }
        if verdicts.accepted.is_empty() {
            // Whether the farewell is heard does not matter.
            let _ = connection.quit().await;
            return Ok((None, verdicts));
        }
        connection.command(Data).await.map_err(|error| self.refusal("DATA", &error))?;
        handover.is_sending.store(true, Ordering::SeqCst);
        match connection.message(handover.mail).await {
            Ok(response) => {
                self.keep(connection);
                Ok((Some(response), verdicts))
            }
            Err(error) if error.status().is_some() => Err(self.refusal("the mail", &error)),
            Err(error) => {
                let sentence =
                    format!("`{}` broke off before it answered the mail: {}", self.wire.host(), told(&error));
                Err(Outcome::unknown("smtp-answer-lost", sentence))
            }
        }
    }

    /// A connection over which a mail has begun: a kept one if it still works, else a new one. Nothing was handed over
    /// yet, so beginning again is safe.
    async fn begun(&self, sender: &Address) -> Result<AsyncSmtpConnection, Outcome> {
        let mail = || Mail::new(Some(sender.clone()), Vec::new());
        if let Some(mut kept) = self.take()
            && kept.command(mail()).await.is_ok()
        {
            return Ok(kept);
        }
        let mut fresh = self.connected().await?;
        fresh.command(mail()).await.map_err(|error| self.refusal("MAIL", &error))?;
        Ok(fresh)
    }

    async fn connected(&self) -> Result<AsyncSmtpConnection, Outcome> {
        let stream = self.wire.connect().await?;
        let mut connection = self.greeted(stream).await?;
        if let Security::Starttls(parameters) = &self.security {
            if !connection.can_starttls() {
                let sentence = format!("`{}` does not offer STARTTLS, so nothing was said to it", self.wire.host());
                let hint = "see the port; `tls = \"implicit\"` is for port 465";
                return Err(Outcome::again("smtp-no-starttls", sentence, hint));
            }
            let begun = connection.starttls(parameters.clone(), &self.hello).await;
            begun.map_err(|error| self.tls_failed(&error))?;
        }
        if let Some(login) = &self.login {
            let answer = connection.auth(&[Mechanism::Plain, Mechanism::Login], login).await;
            answer.map_err(|error| self.not_logged_in(&error))?;
        }
        Ok(connection)
    }

    async fn greeted(&self, stream: TcpStream) -> Result<AsyncSmtpConnection, Outcome> {
        let peer = stream.peer_addr().map_err(|error| {
            Outcome::again("connect-failed", format!("`{}` hung up: {error}", self.wire.host()), "see its log")
        })?;
        let stream: Box<dyn AsyncTokioStream> = match &self.security {
            Security::None | Security::Starttls(_) => Box::new(Lines::new(stream, peer)),
            Security::Implicit(connector, name) => {
                let secured = connector.connect(name.clone(), stream).await.map_err(|error| self.tls_failed(&error))?;
                Box::new(Lines::new(secured, peer))
            }
        };
        let greeted = AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await;
        greeted.map_err(|error| self.broken_off("the greeting", &error))
    }

    fn take(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, _)| since.elapsed() < IDLE);
        idle.pop().map(|(_, connection)| connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push((Instant::now(), connection));
        }
    }

    /// A 4xx or 5xx to a step, or a connection that broke before the mail was on its way.
    fn refusal(&self, step: &str, error: &Error) -> Outcome {
        let sentence = format!("`{}` answered {step} with {}", self.wire.host(), told(error));
        match error.status() {
            Some(code) if error.is_permanent() => {
                Outcome::refused(&format!("smtp-{code}"), sentence, "see the addresses and the relay's log")
            }
            Some(code) => Outcome::again(&format!("smtp-{code}"), sentence, "the relay asks to be tried again"),
            None => self.broken_off(step, error),
        }
    }

    fn broken_off(&self, step: &str, error: &Error) -> Outcome {
        if error.status().is_some() {
            return self.refusal_of_greeting(step, error);
        }
        let sentence = format!("`{}` broke off at {step}: {}", self.wire.host(), told(error));
        Outcome::again("smtp-broken-off", sentence, "nothing was handed over; see the relay's log")
    }

    /// A relay that greets with a refusal has nothing against this mail.
    fn refusal_of_greeting(&self, step: &str, error: &Error) -> Outcome {
        let sentence = format!("`{}` answered {step} with {}", self.wire.host(), told(error));
        Outcome::again("smtp-not-greeted", sentence, "see whether the relay takes mail from this host")
    }

    fn tls_failed(&self, error: &(dyn std::error::Error + 'static)) -> Outcome {
        let sentence = format!("`{}` and keywheel do not agree on TLS: {}", self.wire.host(), causes(error));
        Outcome::again("smtp-tls-failed", sentence, "see its certificate, and give its authority by `ca_pem`")
    }

    /// The mail itself is not refused, and passwords are changed; so it is tried again.
    fn not_logged_in(&self, error: &Error) -> Outcome {
        let sentence = format!("`{}` does not log keywheel in: {}", self.wire.host(), told(error));
        Outcome::again("smtp-login-failed", sentence, "see `username` and the secret of `password_secret`")
    }
}

fn security(settings: &Settings) -> Result<Security, NotifyError> {
    let ca_pem = settings.ca_pem.as_deref();
    match settings.tls {
        Encryption::None => Ok(Security::None),
        Encryption::Implicit => {
            let name = ServerName::try_from(settings.host.clone());
            let name =
                name.map_err(|_| wrong("host", "is not the name of a host", "write it like `mail.example.org`"))?;
            Ok(Security::Implicit(TlsConnector::from(Arc::new(tls::client_config(KIND, ca_pem)?)), name))
        }
        Encryption::Starttls => {
            let mut builder = TlsParameters::builder(settings.host.clone());
            if let Some(pem) = ca_pem {
                let unreadable = |_| wrong("ca_pem", "holds no certificate that can be read", "paste a PEM text");
                builder = builder
                    .certificate_store(CertificateStore::None)
                    .add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(unreadable)?);
            }
            let parameters = builder.build_rustls();
            parameters.map(Security::Starttls).map_err(|error| NotifyError::Trust { sentence: causes(&error) })
        }
    }
}

fn login(settings: &Settings, credentials: &Credentials) -> Result<Option<Login>, NotifyError> {
    if settings.password_secret.is_none() {
        return Ok(None);
    }
    let password = credential(credentials, "password")?;
    let of_secret = credentials.material("password").and_then(|material| material.text("username"));
    let username = settings.username.as_deref().or(of_secret).ok_or_else(|| {
        wrong("username", "is missing", "give it here, or as the field `username` of the password's secret")
    })?;
    Ok(Some(Login::new(username.to_owned(), password.to_owned())))
}

/// Recipients with what the relay said.
pub(super) fn named<'a>(recipients: impl Iterator<Item = &'a (Address, String)>) -> String {
    recipients.map(|(address, answer)| format!("{address} ({answer})")).collect::<Vec<_>>().join(", ")
}

/// What the relay said, or what went wrong.
fn told(error: &Error) -> String {
    let code = error.status().map(|code| format!("{code} ")).unwrap_or_default();
    match error.source() {
        Some(source) => format!("{code}{}", causes(source)),
        None => format!("{code}{}", line(&error.to_string())).trim().to_owned(),
    }
}
