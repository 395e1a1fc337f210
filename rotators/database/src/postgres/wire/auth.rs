//! The client's side of authentication: SCRAM-SHA-256 (RFC 5802, RFC 7677), md5, clear text.
//!
//! The name in the SCRAM message stays empty, as PostgreSQL's own client leaves it: the server takes the role from
//! the start-up message. The server must prove that it knows the verifier before its *ok* counts.

use base64::{Engine, prelude::BASE64_STANDARD};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::super::{md5, scram};
use super::{Login, WireError, frame::Outgoing};

/// The most rounds that a server may ask for; a minute's worth of work must not come from a packet.
const MOST_ROUNDS: u32 = 4_000_000;

/// Where the exchange stands.
enum State {
    /// Nothing was asked.
    Start,
    /// The client's first SCRAM message was sent.
    First { nonce: String },
    /// The proof was sent; the server's own must be this.
    Proven { signature: [u8; 32] },
    /// A password was given, or the server proved itself.
    Satisfied,
    /// The server said ok; it is known whether it had asked.
    Done { was_asked: bool },
}

/// One authentication.
pub(super) struct Exchange<'a> {
    who: Login<'a>,
    may_send_clear: bool,
    state: State,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(who: Login<'a>, may_send_clear: bool) -> Self {
        Self { who, may_send_clear, state: State::Start }
    }

    pub(super) fn was_asked(&self) -> bool {
        !matches!(self.state, State::Start | State::Done { was_asked: false })
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done { .. })
    }

    /// Answers one request of the server.
    pub(super) async fn answer(&mut self, request: i32, body: &[u8]) -> Result<Option<Outgoing>, WireError> {
        let (next, answer) = match (request, &self.state) {
            (0, State::Start) => (State::Done { was_asked: false }, None),
            (0, State::Satisfied) => (State::Done { was_asked: true }, None),
            (3, State::Start) => (State::Satisfied, Some(self.clear()?)),
            (5, State::Start) => (State::Satisfied, Some(self.md5(body)?)),
            (10, State::Start) => Self::first(body)?,
            (11, State::First { nonce }) => self.prove(nonce, body).await?,
            (12, State::Proven { signature }) => (check(signature, body)?, None),
            (0 | 3 | 5 | 10..=12, _) => return Err(WireError::protocol("authentication out of order")),
            (method, _) => return Err(WireError::protocol(format!("authentication method {method}, no password"))),
        };
        self.state = next;
        Ok(answer)
    }

    fn clear(&self) -> Result<Outgoing, WireError> {
        if !self.may_send_clear {
            return Err(WireError::protocol("the server asks for the password in clear over a connection in clear"));
        }
        Outgoing::new(Some(b'p'), &[self.who.password.as_bytes(), b"\0"])
    }

    fn md5(&self, salt: &[u8]) -> Result<Outgoing, WireError> {
        Outgoing::new(Some(b'p'), &[md5::response(self.who.password, self.who.role, salt).as_bytes(), b"\0"])
    }

    fn first(mechanisms: &[u8]) -> Result<(State, Option<Outgoing>), WireError> {
        if !mechanisms.split(|byte| *byte == 0).any(|name| name == b"SCRAM-SHA-256") {
            return Err(WireError::protocol("the server does not offer SCRAM-SHA-256"));
        }
        let mut random = [0; 18];
        SystemRandom::new().fill(&mut random).map_err(|_| WireError::protocol("no randomness"))?;
        let nonce = BASE64_STANDARD.encode(random);
        let message = format!("n,,n=,r={nonce}");
        let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
        let answer = Outgoing::new(Some(b'p'), &[b"SCRAM-SHA-256\0", &length, message.as_bytes()])?;
        Ok((State::First { nonce }, Some(answer)))
    }

    async fn prove(&self, nonce: &str, body: &[u8]) -> Result<(State, Option<Outgoing>), WireError> {
        let text = std::str::from_utf8(body).map_err(|_| WireError::protocol("SCRAM text that is not UTF-8"))?;
        let challenge = Challenge::read(text, nonce)?;
        let password = Zeroizing::new(self.who.password.to_owned());
        let keys = scram::keys_to_log_in(password, challenge.salt, challenge.rounds).await;
        let keys = keys.map_err(|cause| WireError::silent("computing the proof", cause))?;
        // `biws` is `n,,` in base 64: no channel binding.
        let bare = format!("c=biws,r={}", challenge.nonce);
        let (proof, signature) = keys.prove(&format!("n=,r={nonce},{text},{bare}"));
        let message = format!("{bare},p={}", BASE64_STANDARD.encode(proof));
        Ok((State::Proven { signature }, Some(Outgoing::new(Some(b'p'), &[message.as_bytes()])?)))
    }
}

fn check(signature: &[u8; 32], body: &[u8]) -> Result<State, WireError> {
    let expected = format!("v={}", BASE64_STANDARD.encode(signature));
    if body == expected.as_bytes() {
        return Ok(State::Satisfied);
    }
    Err(WireError::protocol("the server does not know the password it asks for"))
}

/// The server's first SCRAM message.
struct Challenge<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    rounds: u32,
}

impl<'a> Challenge<'a> {
    fn read(text: &'a str, ours: &str) -> Result<Self, WireError> {
        let mut parts = text.split(',');
        let mut part = |name: &str| parts.next().and_then(|part| part.strip_prefix(name));
        let read = (|| {
            let nonce = part("r=").filter(|nonce| nonce.len() > ours.len() && nonce.starts_with(ours))?;
            let salt = BASE64_STANDARD.decode(part("s=")?).ok()?;
            let rounds = part("i=")?.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
            Some(Self { nonce, salt, rounds })
        })();
        read.ok_or_else(|| WireError::protocol("a SCRAM challenge that is not well-formed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(may_send_clear: bool) -> Exchange<'static> {
        Exchange::new(Login { role: "r", password: "p", database: "d", application: "a" }, may_send_clear)
    }

    #[tokio::test]
    async fn an_ok_without_a_question_is_not_taken_for_a_proof() {
        let mut exchange = exchange(true);
        assert!(exchange.answer(0, b"").await.expect("trust").is_none());
        assert!(exchange.is_done() && !exchange.was_asked());
    }

    #[tokio::test]
    async fn an_ok_before_the_server_proved_itself_is_refused() {
        let mut exchange = exchange(true);
        exchange.answer(10, b"SCRAM-SHA-256\0\0").await.expect("offered");
        assert!(exchange.answer(0, b"").await.is_err());
    }

    #[tokio::test]
    async fn a_password_in_clear_is_not_sent_over_a_connection_in_clear() {
        assert!(exchange(false).answer(3, b"").await.is_err());
        assert!(exchange(true).answer(3, b"").await.is_ok());
    }

    #[tokio::test]
    async fn a_ticket_is_not_a_password() {
        assert!(exchange(true).answer(7, b"").await.is_err());
    }

    #[test]
    fn a_challenge_must_continue_our_nonce_and_keep_to_bounds() {
        assert!(Challenge::read("r=abcDEF,s=AAAA,i=4096", "abc").is_ok());
        for odd in ["r=abc,s=AAAA,i=4096", "r=xyzDEF,s=AAAA,i=4096", "r=abcD,s=?,i=1", "r=abcD,s=AAAA,i=0", "", "e=x"] {
            assert!(Challenge::read(odd, "abc").is_err(), "{odd}");
        }
        assert!(Challenge::read("r=abcD,s=AAAA,i=4000001", "abc").is_err());
    }
}
