//! Who asks: by the peer of the unix socket, or by the root token of development mode.

use std::net::SocketAddr;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ring::hmac;

use super::Problem;
use crate::model::{Actor, SecretText};

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A process on this machine, as the kernel tells it.
    Unix {
        /// The user that it ran as when it connected.
        uid: u32,
    },
    /// A network address.
    Tcp {
        /// The address.
        address: SocketAddr,
    },
}

/// Who may ask: the owner of the data directory and root over the unix socket, the holder of the root token over TCP.
pub struct Access {
    owner: u32,
    /// The token's tag under a key of this process, so that comparing takes the same time wherever they differ.
    token: Option<(hmac::Key, hmac::Tag)>,
}

impl Access {
    /// The rules for a daemon whose data directory belongs to `owner`; without a token nobody is let in over TCP.
    /// `key` is random and made for this process.
    pub fn new(owner: u32, token: Option<&SecretText>, key: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let token = token.map(|token| {
            let tag = hmac::sign(&key, token.expose().as_bytes());
            (key, tag)
        });
        Self { owner, token }
    }

    fn actor(&self, peer: Peer, headers: &HeaderMap) -> Result<Actor, Problem> {
        match peer {
            Peer::Unix { uid } if uid == 0 || uid == self.owner => Ok(Actor::local(uid)),
            Peer::Unix { uid } => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not-the-owner",
                format!("user {uid} may not use this socket"),
                "run the command as the owner of the data directory",
            )),
            Peer::Tcp { .. } => match (&self.token, token_of(headers)) {
                (Some((key, tag)), Some(given)) if hmac::verify(key, given, tag.as_ref()).is_ok() => {
                    Ok(Actor::root_token())
                }
                (_, given) => Err(unauthorised(given.is_some())),
            },
        }
    }
}

fn unauthorised(is_wrong: bool) -> Problem {
    let detail = if is_wrong { "the token is not valid" } else { "a token is needed" };
    let hint = "set `KEYWHEEL_TOKEN`, or send `Authorization: Bearer` or `X-Vault-Token`";
    Problem::new(StatusCode::UNAUTHORIZED, "token-refused", detail, hint)
}

fn token_of(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    });
    bearer.or_else(|| headers.get("x-vault-token").map(axum::http::HeaderValue::as_bytes))
}

/// Who asks, known before the handler runs.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The actor, as events and audit rows tell it.
    pub actor: Actor,
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| unauthorised(false))
    }
}

/// Lets a request in, or answers why not, before its body is read.
pub(super) async fn admit(access: &Access, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let admitted = peer.ok_or_else(|| unauthorised(false)).and_then(|peer| access.actor(peer, request.headers()));
    match admitted {
        Ok(actor) => {
            request.extensions_mut().insert(Asker { actor });
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access::new(1000, Some(&SecretText::new("s3cret".into())), &[7; 32])
    }

    fn tcp(header: Option<(&'static str, &str)>) -> Result<Actor, u16> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().expect("a header"));
        }
        let address = "127.0.0.1:1".parse().expect("an address");
        access().actor(Peer::Tcp { address }, &headers).map_err(|problem| problem.status)
    }

    #[test]
    fn the_owner_and_root_are_let_in_over_the_socket() {
        let ask = |uid| access().actor(Peer::Unix { uid }, &HeaderMap::new()).map_err(|problem| problem.status);
        assert_eq!(ask(1000), Ok(Actor::local(1000)));
        assert_eq!(ask(0), Ok(Actor::local(0)));
        assert_eq!(ask(1001), Err(403));
    }

    #[test]
    fn a_token_is_let_in_over_tcp_and_no_part_of_it_is() {
        assert_eq!(tcp(Some(("authorization", "Bearer s3cret"))), Ok(Actor::root_token()));
        assert_eq!(tcp(Some(("authorization", "bearer s3cret"))), Ok(Actor::root_token()));
        assert_eq!(tcp(Some(("x-vault-token", "s3cret"))), Ok(Actor::root_token()));
        for end in 0..6 {
            assert_eq!(tcp(Some(("x-vault-token", &"s3cret"[..end]))), Err(401), "{end}");
        }
        for wrong in ["s3creT", "s3cret ", "s3crett", "Bearer s3cret"] {
            assert_eq!(tcp(Some(("x-vault-token", wrong))), Err(401), "{wrong}");
        }
        assert_eq!(tcp(None), Err(401));
    }

    #[test]
    fn without_a_token_nobody_is_let_in_over_tcp() {
        let access = Access::new(0, None, &[7; 32]);
        let mut headers = HeaderMap::new();
        headers.insert("x-vault-token", "".parse().expect("a header"));
        let address = "127.0.0.1:1".parse().expect("an address");
        assert!(access.actor(Peer::Tcp { address }, &headers).is_err());
    }
}
