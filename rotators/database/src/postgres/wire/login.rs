//! The start of a session: who, into which database, and the password if it is asked for.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    Address, Session, WireError,
    auth::Exchange,
    frame::{Cursor, Frame, Frames, Outgoing},
};

/// Who logs in, and as what the session names itself.
#[derive(Clone, Copy)]
pub(crate) struct Login<'a> {
    /// The role, without a zero byte, at most 63 bytes: the server cuts what is longer.
    pub(crate) role: &'a str,
    /// Its password.
    pub(crate) password: &'a str,
    /// The database.
    pub(crate) database: &'a str,
    /// The session's name in the server's list of activity.
    pub(crate) application: &'a str,
}

/// What came of a login, and how far it went.
pub(crate) struct Attempt {
    /// Whether the server asked for a password. Where it did not, the login proves nothing.
    pub(crate) was_asked: bool,
    /// Whether the server accepted the login before anything else went wrong.
    pub(crate) was_authenticated: bool,
    /// The session, or what went wrong.
    pub(crate) result: Result<Session, WireError>,
}

/// Protocol version 3.0.
const VERSION: [u8; 4] = [0, 3, 0, 0];

/// Tries one login over one fresh connection, within the given time.
pub(crate) async fn log_in(address: &Address, who: Login<'_>, within: Duration) -> Attempt {
    let mut attempt = Attempt { was_asked: false, was_authenticated: false, result: Err(late()) };
    let outcome = timeout(within, start(address, who, &mut attempt)).await;
    attempt.result = outcome.unwrap_or_else(|_| Err(late()));
    attempt
}

fn late() -> WireError {
    WireError::silent("logging in", "no answer within the time limit")
}

async fn start(address: &Address, who: Login<'_>, attempt: &mut Attempt) -> Result<Session, WireError> {
    let mut frames = Frames::over(address.connect().await?);
    let mut parameters = Vec::new();
    for (name, value) in [
        ("user", who.role),
        ("database", who.database),
        ("application_name", who.application),
        ("client_encoding", "UTF8"),
    ] {
        if value.contains('\0') {
            return Err(WireError::protocol(format!("a zero byte in `{name}`")));
        }
        parameters.extend_from_slice(name.as_bytes());
        parameters.push(0);
        parameters.extend_from_slice(value.as_bytes());
        parameters.push(0);
    }
    frames.send(&Outgoing::new(None, &[&VERSION, &parameters, b"\0"])?).await?;
    // Clear text goes over TLS or stays on this host, whoever asks for it.
    let mut exchange = Exchange::new(who, address.tls.is_some() || address.local);
    loop {
        let Frame { tag, body } = frames.receive().await?;
        match tag {
            b'R' => {
                let mut cursor = Cursor(&body);
                if let Some(answer) = exchange.answer(cursor.int32()?, cursor.0).await? {
                    frames.send(&answer).await?;
                }
                attempt.was_asked = exchange.was_asked();
                attempt.was_authenticated = exchange.is_done();
            }
            b'K' => {}
            b'Z' if exchange.is_done() => return Ok(Session::over(frames)),
            _ => return Err(WireError::protocol(format!("message {tag} during the login"))),
        }
    }
}
