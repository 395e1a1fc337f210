//! Who asks: by the peer of the unix socket, by a bearer token, or by the root token of development mode.
//!
//! The socket's owner and the root token may do everything. The holder of a bearer token may do what the token grants,
//! which is decided here, before a handler runs or a body is read; the answer to what is not granted is the same
//! whether the thing exists or not.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ring::hmac;

use super::{ApiState, Problem, act::act_of, problem::Answer};
use crate::{
    access::{Denial, Grant, Verdict},
    engine::ops::access::tokens,
    model::{Actor, SecretText},
    store::token::Token,
};

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

/// Who may ask: the owner of the data directory and root over the unix socket; over TCP who has a bearer token, or the
/// root token.
pub struct Access {
    owner: u32,
    /// The token's tag under a key of this process, so that comparing takes the same time wherever they differ.
    token: Option<(hmac::Key, hmac::Tag)>,
}

impl Access {
    /// The rules for a daemon whose data directory belongs to `owner`; without `token` there is no root token. `key` is random and made for this process.
    pub fn new(owner: u32, token: Option<&SecretText>, key: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let token = token.map(|token| {
            let tag = hmac::sign(&key, token.expose().as_bytes());
            (key, tag)
        });
        Self { owner, token }
    }

    fn claim<'h>(&self, peer: Peer, headers: &'h HeaderMap) -> Answer<Claim<'h>> {
        match peer {
            Peer::Unix { uid } if uid == 0 || uid == self.owner => Ok(Claim::Proven(Actor::local(uid))),
            Peer::Unix { uid } => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not-the-owner",
                format!("user {uid} may not use this socket"),
                "run the command as the owner of the data directory",
            )),
            Peer::Tcp { .. } => {
                let bearer = bearer_of(headers);
                let root = bearer.or_else(|| headers.get("x-vault-token").map(axum::http::HeaderValue::as_bytes));
                match (&self.token, root) {
                    (Some((key, tag)), Some(given)) if hmac::verify(key, given, tag.as_ref()).is_ok() => {
                        Ok(Claim::Proven(Actor::root_token()))
                    }
                    (_, given) => bearer.map(Claim::Bearer).ok_or_else(|| unauthorised(given.is_some())),
                }
            }
        }
    }
}

/// Who somebody says he is.
#[derive(Debug, PartialEq, Eq)]
enum Claim<'h> {
    /// He is.
    Proven(Actor),
    /// He has a text that may be a token.
    Bearer(&'h [u8]),
}

fn unauthorised(is_wrong: bool) -> Problem {
    let detail = if is_wrong { "the token is not valid" } else { "a token is needed" };
    let hint = "set `KEYWHEEL_TOKEN`, or send `Authorization: Bearer`";
    Problem::new(StatusCode::UNAUTHORIZED, "token-refused", detail, hint)
}

/// The text behind `Authorization: Bearer`, where there is one header of that name alone.
fn bearer_of(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (given.next()?, given.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Who asks, known before the handler runs.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The actor, as events and audit rows tell it.
    pub actor: Actor,
    /// The token by which it was let in; none for who may do everything.
    pub token: Option<Arc<Token>>,
}

impl Asker {
    /// What may be read, where that is not everything.
    pub fn grant(&self) -> Option<&Grant> {
        self.token.as_deref().map(|token| &token.grant)
    }
}

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| unauthorised(false))
    }
}

/// Lets a request in, or answers why not, before its body is read.
pub(super) async fn admit(api: &ApiState, access: &Access, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match asker_of(api, access, &parts).await {
        Ok(asker) => {
            parts.extensions.insert(asker);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn asker_of(api: &ApiState, access: &Access, parts: &Parts) -> Answer<Asker> {
    let peer = parts.extensions.get::<Peer>().copied().ok_or_else(|| unauthorised(false))?;
    let text = match access.claim(peer, &parts.headers)? {
        Claim::Proven(actor) => return Ok(Asker { actor, token: None }),
        Claim::Bearer(text) => text,
    };
    let token = tokens::admit(&api.engine, text).await?;
    match token.grant.verdict(&act_of(parts)?) {
        Verdict::Allowed => Ok(Asker { actor: Actor::token(&token.id), token: Some(Arc::new(token)) }),
        Verdict::Denied(denial) => {
            tracing::info!(token = %token.id, reason = denial.sentence(), "a request was denied");
            Err(denied(denial))
        }
    }
}

fn denied(denial: Denial) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "denied", denial.sentence(), denial.hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access::new(1000, Some(&SecretText::new("s3cret".into())), &[7; 32])
    }

    /// Whether the headers prove the root token; none where they hold another bearer token; or the status.
    fn tcp(given: &[(&'static str, &str)]) -> Result<bool, u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, value.parse().expect("a header"));
        }
        let address = "127.0.0.1:1".parse().expect("an address");
        let claim = access().claim(Peer::Tcp { address }, &headers).map_err(|problem| problem.status)?;
        Ok(claim == Claim::Proven(Actor::root_token()))
    }

    #[test]
    fn the_owner_and_root_are_let_in_over_the_socket() {
        let ask = |uid| {
            let headers = HeaderMap::new();
            let claim = access().claim(Peer::Unix { uid }, &headers).map_err(|problem| problem.status)?;
            Ok(claim == Claim::Proven(Actor::local(uid)))
        };
        assert_eq!((ask(1000), ask(0), ask(1001)), (Ok(true), Ok(true), Err(403)));
    }

    #[test]
    fn the_root_token_is_let_in_over_tcp_and_no_part_of_it_is() {
        assert_eq!(tcp(&[("authorization", "Bearer s3cret")]), Ok(true));
        assert_eq!(tcp(&[("authorization", "bearer s3cret")]), Ok(true));
        assert_eq!(tcp(&[("x-vault-token", "s3cret")]), Ok(true));
        for end in 0..6 {
            assert_eq!(tcp(&[("x-vault-token", &"s3cret"[..end])]), Err(401), "{end}");
            assert_ne!(tcp(&[("authorization", &format!("Bearer {}", &"s3cret"[..end]))]), Ok(true), "{end}");
        }
        for wrong in ["s3creT", "s3cret ", "s3crett", "Bearer s3cret"] {
            assert_eq!(tcp(&[("x-vault-token", wrong)]), Err(401), "{wrong}");
        }
        assert_eq!(tcp(&[]), Err(401));
    }

    #[test]
    fn a_bearer_token_comes_in_one_header_alone() {
        assert_eq!(tcp(&[("authorization", "Bearer kw_1")]), Ok(false));
        assert_eq!(tcp(&[("x-vault-token", "kw_1")]), Err(401));
        assert_eq!(tcp(&[("authorization", "Basic kw_1")]), Err(401));
        assert_eq!(tcp(&[("authorization", "Bearer kw_1"), ("authorization", "Bearer kw_2")]), Err(401));
        assert_eq!(tcp(&[("authorization", "Bearer s3cret"), ("authorization", "Bearer s3cret")]), Err(401));
    }

    #[test]
    fn without_a_root_token_nobody_is_let_in_by_it() {
        let access = Access::new(0, None, &[7; 32]);
        let mut headers = HeaderMap::new();
        headers.insert("x-vault-token", "".parse().expect("a header"));
        let address = "127.0.0.1:1".parse().expect("an address");
        assert!(access.claim(Peer::Tcp { address }, &headers).is_err());
    }
}
